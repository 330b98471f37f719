"""Figures of a whole file: token-weighted, from sums and counts, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain import NativeBand, TokenScores
from shared.style.band import excess
from shared.style.perplexity import Loss, loss, quarter_losses
from shared.style.suitability import capped_ranks


@dataclass(slots=True)
class CorpusStyle:
    """Running sums over texts scored by one scorer.

    Attributes:
        texts: how many texts were added (empty ones included).
        total: surprisals and tokens of all of them. quarters: the same by quarter.
        ranks: sum of min(rank, 100). excess: sum of max(0, surprisal - band), nats.
    """

    texts: int = 0
    total: Loss = field(default_factory=Loss)
    quarters: list[Loss] = field(default_factory=lambda: [Loss()] * 4)
    ranks: int = 0
    excess: float = 0.0

    def add(self, scores: TokenScores, band: NativeBand | None = None) -> None:
        """Take in one text; with a band, what exceeds it too."""
        self.texts += 1
        self.total += loss(scores.surprisals)
        parts = quarter_losses(scores.surprisals)
        self.quarters = [old + new for old, new in zip(self.quarters, parts, strict=True)]
        self.ranks += capped_ranks(scores.ranks)
        if band is not None:
            self.excess += sum(excess(scores.surprisals, band))

    @property
    def perplexity(self) -> float:
        """Token-weighted perplexity of all texts; NaN without tokens."""
        return self.total.perplexity

    @property
    def rsr(self) -> float:
        """Rank-surprisal ratio of all texts; NaN where the surprisals add up to nothing."""
        return self.ranks / self.total.nll if self.total.nll > 0 else float("nan")
