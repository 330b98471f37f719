"""The report of a study as one JSON object, and the summary that a study prints as its last line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from math import inf, isfinite
from typing import Any

from services.pipeline.study.cell import Cell
from services.pipeline.study.outcomes import Outcome
from services.pipeline.study.paper import sentences
from services.pipeline.study.results import Results
from services.pipeline.study.stage_sample import SHARE, kept_samples
from shared.bootstrap import Interval
from shared.domain import Loss
from shared.study.config import ALIGNED, UNALIGNED, ArmSettings, StudyConfig
from shared.version import VERSION

SCHEMA = "idiolect.study-report/1"
CURVE_POINTS = 60


def report_of(results: Results) -> dict[str, Any]:
    """Everything that table and page show. Unknown figures are null; accuracies are shares, 0..1."""
    config = results.config
    body = {**_told_of_texts(results), **(_told_of_trainings(results) if config.trains else _NOT_TRAINED)}
    if not config.trains:
        body["texts"] = _texts(results)
    cleaned: dict[str, Any] = clean(body)
    return cleaned


_NOT_TRAINED: Mapping[str, Any] = {
    "design": None,
    "start": None,
    "aligned_minus_unaligned": {},
    "aligned_minus_native": {},
    "differences_from_native": {},
    "perplexity_and_accuracy": {},
    "reward_and_accuracy": {},
    "lambda": {},
    "truncation_max": None,
}
"""What stands in the place of everything that only trainings can tell."""


def _told_of_texts(results: Results) -> dict[str, Any]:
    """What is known before any training."""
    config = results.config
    return {
        "schema": SCHEMA,
        "code": VERSION,
        "study": config.name,
        "source": config.source,
        "native": config.native,
        "seeds": list(config.seeds),
        "budgets": list(config.budgets),
        "losses": [loss.value for loss in config.losses],
        "rates": {loss.value: rate for loss, rate in config.rates.items()},
        "rates_from": config.rates_from,
        "cells": [
            {"student": cell.student.name, "digest": cell.student.digest, "draw": cell.draw}
            for cell in results.cells
        ],
        "oracles": _oracles(results),
        "problems": problem_counts(results.cells, config),
        "samples": _samples(results.cells),
        "arms": [_arm(results, arm) for arm in config.arms],
        "paper": sentences(results),
    }


def _told_of_trainings(results: Results) -> dict[str, Any]:
    """What the trained models did."""
    losses = results.config.losses
    return {
        "design": design_of(results.config, len(results.cells)),
        "start": told(results.start[0]),
        "aligned_minus_unaligned": aligned_minus_unaligned(results),
        "aligned_minus_native": _by_loss(results, ALIGNED, "native"),
        "differences_from_native": _from_native(results),
        "perplexity_and_accuracy": {
            loss.value: _intervals(results.perplexity_correlation(loss)) for loss in losses
        },
        "reward_and_accuracy": {
            loss.value: _intervals(found) if (found := results.reward_correlation(loss)) else None
            for loss in losses
        },
        "lambda": {loss.value: _sweep(results, loss) for loss in losses},
        "truncation_max": results.most_truncated,
    }


def _texts(results: Results) -> dict[str, Any]:
    """Figures of each arm's texts with intervals over the shared problems, and of each pair of arms."""
    spreads = results.spreads
    return {
        "figures": {arm: _intervals(spreads.of(arm)) for arm in results.arms},
        "differences": {
            f"{second} - {first}": _intervals(spreads.difference(second, first))
            for first, second in combinations(results.arms, 2)
        },
    }


def summary_of(results: Results, page: str) -> dict[str, Any]:
    """The last line of a study: accuracies and perplexities by arm, and what alignment is worth."""
    losses = results.config.losses
    arms = {
        arm: {
            "ppl": results.figures[arm].ppl,
            **{loss.value: _accuracy(results, arm, loss, results.budget) for loss in losses},
        }
        for arm in results.arms
    }
    line: dict[str, Any] = clean(
        {
            "arms": arms,
            "aligned_minus_unaligned": aligned_minus_unaligned(results),
            "seeds": len(results.config.seeds),
            "problems": len(results.cells[0].held_out) if results.config.trains else 0,
            "truncation_max": results.most_truncated,
            "report": page,
        }
    )
    return line


def aligned_minus_unaligned(results: Results) -> dict[str, Any]:
    """Accuracy of style_aligned minus that of oracle_refined, by loss; null where an arm is missing."""
    return _by_loss(results, ALIGNED, UNALIGNED)


def design_of(config: StudyConfig, cells: int) -> dict[str, Any]:
    """What the design can detect, known before anything runs."""
    problems, samples, seeds = config.problems.held_out, config.evaluation.samples, len(config.seeds)
    return {
        **asdict(config.design),
        "problems": problems,
        "samples": samples,
        "seeds": seeds,
        "cells": cells,
        "detectable": config.design.detectable(problems, samples, seeds, cells),
    }


def problem_counts(cells: Sequence[Cell], config: StudyConfig) -> dict[str, int]:
    """Problems at each stage, over all cells."""
    lines = [line for cell in cells for line in cell.shelf.lines(SHARE)]
    return {
        "sampled": sum(len(cell.problems) for cell in cells),
        "shareable": len(lines),
        "shared": sum(1 for cell in cells for _ in cell.shelf.lines("matched")),
        "held_out": len(cells[0].held_out) if config.trains else 0,
        "samples": config.evaluation.samples if config.trains else 0,
    }


def _samples(cells: Sequence[Cell]) -> dict[str, int]:
    """The students' samples: how many, how many ended by themselves, and how many of these are right."""
    sampled = [one for cell in cells for one in kept_samples(cell)]
    return {
        "made": sum(len(one.samples) for one in sampled),
        "ended": sum(len(one.ended) for one in sampled),
        "right": sum(len(one.right) for one in sampled),
    }


def told(found: Interval) -> dict[str, Any]:
    """An interval as the report holds it."""
    return {"mean": found.mean, "low": found.low, "high": found.high}


def clean(value: Any) -> Any:
    """JSON-ready: floats rounded to six places, NaN and infinity null, tuples lists."""
    if isinstance(value, float):
        return round(value, 6) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: clean(inner) for key, inner in value.items()}
    return [clean(inner) for inner in value] if isinstance(value, list | tuple) else value


def _oracles(results: Results) -> dict[str, Any]:
    writers = results.cells[0].parts.writers
    return {name: {"name": one.name, "simulated": one.simulated} for name, one in writers.items()}


def _arm(results: Results, arm: ArmSettings) -> dict[str, Any]:
    figures = results.figures[arm.name]
    writer = results.cells[0].parts.writers.get(arm.oracle or "")
    return {
        "name": arm.name,
        "maker": arm.maker,
        "oracle": writer.name if writer else None,
        "simulated": bool(writer and writer.simulated),
        "options": dict(arm.options),
        **asdict(figures),
        "distinct": figures.distinct,
        "results": {
            loss.value: {
                str(steps): _accuracy(results, arm.name, loss, steps)
                | _details(results, arm.name, loss, steps)
                for steps in results.config.budgets
            }
            for loss in results.config.losses
        },
    }


def _accuracy(results: Results, arm: str, loss: Loss, steps: int) -> dict[str, Any]:
    found = results.by_run[arm, loss, steps].accuracy
    return {"accuracy": found.mean, "low": found.low, "high": found.high}


def _details(results: Results, arm: str, loss: Loss, steps: int) -> dict[str, Any]:
    found = results.by_run[arm, loss, steps].outcome
    return {
        "by_seed": [[sum(run) / len(run) for run in seeds] for seeds in found.accuracies],
        "truncated": found.truncated,
        "undecided": found.undecided,
        "tokens": found.tokens,
        "trained_tokens": found.trained,
        "curve": mean_curve(found),
    }


def mean_curve(found: Outcome) -> list[list[float]]:
    """(step, training loss) averaged over trainings, in at most 60 groups of neighbouring steps."""
    length = min((len(curve) for curve in found.curves), default=0)
    group = max(1, -(-length // CURVE_POINTS))
    points = []
    for begin in range(0, length, group):
        values = [point for curve in found.curves for point in curve[begin : begin + group]]
        points.append([values[-1][0], sum(value for _, value in values) / len(values)])
    return points


def _by_loss(results: Results, first: str, second: str) -> dict[str, Any]:
    one, other = results.by_maker(first), results.by_maker(second)
    if one is None or other is None:
        return {loss.value: None for loss in results.config.losses}
    return {loss.value: told(results.difference(one, other, loss)) for loss in results.config.losses}


def _from_native(results: Results) -> dict[str, Any]:
    native = results.by_maker("native") or ""
    return {
        arm: {loss.value: told(results.difference(arm, native, loss)) for loss in results.config.losses}
        for arm in results.arms
        if arm != native
    }


def _intervals(found: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: told(one) for name, one in found.items()}


def _sweep(results: Results, loss: Loss) -> dict[str, Any]:
    found = results.lambdas(loss)
    return {
        "correlations": [{"lambda": _weight(weight), **told(one)} for weight, one in found.correlations],
        "best": _weight(found.best),
        "low": _weight(found.low),
        "high": _weight(found.high),
    }


def _weight(value: float) -> float | str:
    """JSON has no infinity: an infinite lambda is called ``cost alone``."""
    return "cost alone" if value == inf else value
