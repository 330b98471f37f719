"""What the figures of a study mean, as its page tells."""

from __future__ import annotations

NOTES = {
    "Accuracy": "Avg@k: mean share of right answers among k samples a held-out problem. Intervals: 95 % "
    "percentile bootstrap over students and draws, seeds and problems at once; with few seeds they are "
    "somewhat too narrow.",
    "Perplexity": "exp(sum of -log p / number of tokens) of an arm's texts under the student before "
    "training, weighted by token; Q1 to Q4 are the four quarters of each text.",
    "RSR": "Rank-surprisal ratio: sum of min(rank, 100) / sum of surprisals; lower is better suited.",
    "Cost": "Sum of max(0, surprisal - native band) over an arm's tokens / native tokens, in nats; the band "
    "is the 95th percentile of the student's own tokens, by quarter.",
    "Benefit": "Correctness of an arm's texts minus that of the samples that were to be edited (1 right "
    "answer and no step flagged, 1/2 undecided or right with a flagged step, 0 wrong).",
    "Preserved": "Share of the edited text's characters that stand in steps kept whole, or outside the "
    "declared edits where there are any; only for texts made by editing.",
    "Identical": "Share of texts byte for byte equal to the native arm's; above .9 an arm is marked "
    "'not distinct'.",
    "Lambda": "Weight of cost in utility = benefit - lambda * cost; the best one correlates most with the "
    "accuracy gained, over the arms.",
}
