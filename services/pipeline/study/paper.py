"""The paper's figures (arXiv 2606.16152), and what a study's own say beside them, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from services.pipeline.study.results import Results
from shared.bootstrap import Interval
from shared.domain import Loss

ACCURACY: dict[Loss, dict[str, float]] = {
    Loss.SFT: {"oracle_synthesized": 23.26, "native": 22.74, "oracle_refined": 19.60, "reference": 16.72},
    Loss.DFT: {
        "style_aligned": 39.12,
        "native": 37.06,
        "oracle_refined": 34.06,
        "reference": 31.28,
        "oracle_synthesized": 30.02,
    },
}
"""Avg@16 in per cent, by loss and arm; style_aligned with Qwen 72B as the oracle."""

PERPLEXITY = {"oracle_synthesized": 2.69, "oracle_refined": 1.85, "native": 1.52, "style_aligned": 1.46}


def sentences(results: Results) -> list[str]:
    """One sentence a pair of arms: does its order differ from the paper's, as far as this study can tell?"""
    return [*_accuracies(results), *_perplexities(results)]


def _accuracies(results: Results) -> Iterator[str]:
    for loss in results.config.losses:
        known = ACCURACY[loss]
        for first, second in combinations(sorted(known, key=lambda arm: -known[arm]), 2):
            if (one := results.by_maker(first)) and (other := results.by_maker(second)):
                found = results.difference(one, other, loss)
                yield (
                    f"{loss.value.upper()}, {one} against {other}: the paper has {known[first]:.2f} above "
                    f"{known[second]:.2f}; here the difference is {_told(found)}: {_verdict(found)}."
                )


def _told(found: Interval) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _verdict(found: Interval) -> str:
    if found.low > 0:
        return "the paper's order"
    return "differs from the paper's order" if found.high < 0 else "not established either way"


def _perplexities(results: Results) -> Iterator[str]:
    for first, second in combinations(PERPLEXITY, 2):
        if (one := results.by_maker(first)) and (other := results.by_maker(second)):
            found = results.perplexity_difference(one, other)
            yield (
                f"Perplexity, {one} against {other}: the paper has {PERPLEXITY[first]:.2f} above "
                f"{PERPLEXITY[second]:.2f}; here {results.figures[one].ppl:.2f} and "
                f"{results.figures[other].ppl:.2f}, difference of logs {_told(found)}: {_verdict(found)}."
            )
