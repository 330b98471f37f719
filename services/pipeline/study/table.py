"""The report as a table in the paper's shape, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Report = dict[str, Any]
COLUMNS = ("arm", "oracle", "examples", "reward", "PPL", "Q1", "Q2", "Q3", "Q4", "RSR", "cost", "benefit")
SIMULATED = "simulated oracle"
NATIVES = {"right": "first right sample", "any": "first sample that ended by itself, right or wrong"}
_SPREAD = {"ppl": "PPL", "q1": "Q1", "q2": "Q2", "q3": "Q3", "q4": "Q4", "rsr": "RSR", "tokens": "tokens"}


def markdown(report: Report) -> str:
    """The table with what is needed to read it."""
    notes = _notes(report) if report["losses"] else texts_table(report["texts"])
    lines = [f"# Study {report['study']}", "", *_lead(report), "", *_table(report), "", *notes]
    return "\n".join(lines) + "\n"


def texts_table(texts: Report) -> Iterator[str]:
    """Figures of the texts with intervals, and what sets each two arms apart."""
    yield "With 95 % intervals over the shared problems (percentile bootstrap):"
    yield ""
    yield from table_lines(figure_rows(texts))
    yield ""
    yield ("Differences, paired by problem; of PPL and its quarters those of the logs (nats a token):")
    yield ""
    yield from table_lines(difference_rows(texts))


def figure_rows(texts: Report) -> list[list[str]]:
    """Head and one row an arm."""
    return _spread_rows(texts["figures"], signed=False)


def difference_rows(texts: Report) -> list[list[str]]:
    """Head and one row a pair of arms."""
    return _spread_rows(texts["differences"], signed=True)


def table_lines(rows: list[list[str]]) -> Iterator[str]:
    """Rows, the head first, in Markdown."""
    for place, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if place == 0:
            yield "|" + "---|" * len(row)


def _spread_rows(by_arm: Report, signed: bool) -> list[list[str]]:
    rows = [["arms" if signed else "arm", *_SPREAD.values()]]
    for arm, figures in by_arm.items():
        rows.append([arm, *(_spread(figures[name], name, signed) for name in _SPREAD)])
    return rows


def _spread(found: Report, name: str, signed: bool) -> str:
    places = 0 if name == "tokens" else 2
    values = [found["mean"], found["low"], found["high"]]
    mean, low, high = (
        "–" if one is None else f"{one:+.{places}f}" if signed else number(one, places) for one in values
    )
    return f"{mean} [{low}, {high}]"


def oracle_of(arm: Report) -> str:
    """Who wrote an arm's texts, for a table's cell; a simulation is called one."""
    if arm["oracle"] is None:
        return "–"
    return f"{arm['oracle']} ({SIMULATED})" if arm["simulated"] else str(arm["oracle"])


def marks(arm: Report) -> str:
    """What a reader must know about an arm, behind its name."""
    found = []
    if not arm["distinct"] and arm["maker"] not in ("native", "native_plus_repaired"):
        found.append("not distinct")
    if arm["extra"]:
        found.append(f"{arm['extra']} further problems")
    if arm["fallback"]:
        found.append(f"{arm['fallback']:.0%} native for want of another")
    return f" ({'; '.join(found)})" if found else ""


def accuracy(found: Report) -> str:
    """``62.3 [60.1, 64.4]`` in per cent."""
    values = [found["accuracy"], found["low"], found["high"]]
    mean, low, high = ("–" if one is None else f"{100 * one:.1f}" for one in values)
    return f"{mean} [{low}, {high}]"


def number(value: float | None, places: int = 2) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.{places}f}"


def cells(arm: Report, losses: list[str], budget: int) -> list[str]:
    """One row of the table."""
    return [
        arm["name"] + marks(arm),
        oracle_of(arm),
        str(arm["items"]),
        number(arm["reward"]),
        number(arm["ppl"]),
        *(number(one) for one in arm["quarters"]),
        number(arm["rsr"]),
        number(arm["cost"], 3),
        number(arm["benefit"]),
        number(arm["preserved"]),
        number(arm["identical"]),
        number(arm["tokens"], 0),
        *(accuracy(arm["results"][loss][str(budget)]) for loss in losses),
    ]


def heads(report: Report) -> list[str]:
    """The table's head."""
    samples = report["problems"]["samples"]
    results = [f"{loss.upper()} Avg@{samples} (%)" for loss in report["losses"]]
    return [*COLUMNS, "preserved", "identical", "tokens", *results]


def _table(report: Report) -> Iterator[str]:
    budget = next(iter(report["budgets"]), 0)
    yield from table_lines([heads(report), *(cells(arm, report["losses"], budget) for arm in report["arms"])])


def _lead(report: Report) -> Iterator[str]:
    if any(oracle["simulated"] for oracle in report["oracles"].values()):
        yield "**Oracles marked as simulated are programs that stand in for a strong model.**"
        yield ""
    yield design_sentences(report)


def design_sentences(report: Report) -> str:
    """On what the arms stand, and how they are judged."""
    problems = report["problems"]
    shared = (
        f"{len(report['arms'])} arms on the same {problems['shared']} problems of {problems['sampled']} "
        f"sampled (source: {report['source']}; native: {NATIVES[report['native']]})"
    )
    if not report["losses"]:
        made = report["samples"]
        samples = (
            f"of {made['made']} samples {made['ended']} ended by themselves, {made['right']} of them right"
        )
        return f"{shared}; {samples}. The study ends with the scores of its arms; nothing was trained."
    return (
        f"{shared}, {len(report['seeds'])} seeds, {report['budgets'][0]} steps, "
        f"{problems['held_out']} held-out problems with {problems['samples']} samples each. "
        f"Before training: {_start(report)}. "
        f"Smallest difference the design can detect: {100 * report['design']['detectable']:.1f} points."
    )


def _start(report: Report) -> str:
    begun = report["start"]
    return accuracy({"accuracy": begun["mean"], "low": begun["low"], "high": begun["high"]}) + " %"


def _notes(report: Report) -> Iterator[str]:
    yield "Aligned minus unaligned (style_aligned - oracle_refined), points: " + "; ".join(
        f"{loss.upper()} {points(found)}" for loss, found in report["aligned_minus_unaligned"].items()
    )
    yield ""
    yield f"Most truncated: {report['truncation_max']:.1%} of an arm's samples."
    yield ""
    yield from (f"- {sentence}" for sentence in report["paper"])


def points(found: Report | None) -> str:
    """``+29.0 [+26.1, +31.8]``: a difference in percentage points."""
    if found is None or found["mean"] is None:
        return "not measured"
    if found["low"] is None:
        return f"{100 * found['mean']:+.1f}"
    return f"{100 * found['mean']:+.1f} [{100 * found['low']:+.1f}, {100 * found['high']:+.1f}]"
