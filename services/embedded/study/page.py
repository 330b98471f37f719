"""A study's report as one self-contained page: table, plots, comparisons; no script, no request."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from services.embedded.report.assembly import digest, part
from services.embedded.report.markup import Html, joined, tag
from services.embedded.study.figures import figures, legend
from services.embedded.study.notes import NOTES
from services.pipeline.study.table import (
    SIMULATED,
    accuracy,
    cells,
    design_sentences,
    difference_rows,
    figure_rows,
    heads,
    number,
    points,
)

Report = dict[str, Any]


def write_page(report: Report, output: Path) -> None:
    """Write the page, whole or not at all."""
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    draft.write_text(page(report), encoding="utf-8", newline="\n")
    draft.replace(output)


def page(report: Report) -> str:
    """The page; every text of the report is escaped."""
    sheet = Html(f"{part('style.css')}\n{_own_sheet()}")
    policy = (
        f"default-src 'none'; style-src '{digest(sheet)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'),
        tag("title", f"Idiolect study: {report['study']}"),
        tag("style", sheet),
    )
    body = tag("body", _masthead(report), tag("main", *_sections(report)))
    return f'<!doctype html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def _own_sheet() -> str:
    return files("services.embedded.study").joinpath("sheet", "study.css").read_text(encoding="utf-8")


def _masthead(report: Report) -> Html:
    lead = tag("p", design_sentences(report), class_="lead")
    return tag("header", tag("h1", f"Study {report['study']}"), lead, _warning(report), class_="masthead")


def _warning(report: Report) -> Html:
    simulated = [one["name"] for one in report["oracles"].values() if one["simulated"]]
    if not simulated:
        return Html("")
    text = (
        f"{SIMULATED}: {', '.join(simulated)}. A program stands in for a strong model; its arms are marked."
    )
    return tag("p", text[:1].upper() + text[1:], class_="warnings")


def _sections(report: Report) -> list[Html]:
    first = [
        _section("The arms", tag("div", _table(report), class_="wide")),
        _section("Plots", legend(report), figures(report)),
    ]
    between = _of_trainings(report) if report["losses"] else _of_texts(report["texts"])
    return [*first, *between, _section("How to read the figures", _notes())]


def _of_texts(texts: Report) -> list[Html]:
    """Of a study that ends with the scores of its arms."""
    return [
        _section("With 95 % intervals over problems", tag("div", _rows(figure_rows(texts)), class_="wide")),
        _section(
            "Differences, paired by problem (of perplexities: those of their logs)",
            tag("div", _rows(difference_rows(texts)), class_="wide"),
        ),
    ]


def _of_trainings(report: Report) -> list[Html]:
    return [
        _section("Aligned minus unaligned", _aligned(report)),
        _section("Compared with native", _compared(report)),
        _section("Perplexity, reward, lambda", _predictions(report)),
        _section("Beside the paper's order", _sentences(report["paper"])),
        _section("Budgets", tag("div", _budgets(report), class_="wide")),
    ]


def _section(title: str, *content: Html) -> Html:
    return tag("section", tag("h2", title), *content)


def _table(report: Report) -> Html:
    budget, losses = next(iter(report["budgets"]), 0), report["losses"]
    return _rows([heads(report), *(cells(arm, losses, budget) for arm in report["arms"])])


def _rows(told: list[list[str]]) -> Html:
    """A table; its head comes first."""
    names, *others = told
    head = tag("thead", tag("tr", *(tag("th", name) for name in names)))
    rows = [tag("tr", *(tag("td", value) for value in row)) for row in others]
    return tag("table", head, tag("tbody", *rows), class_="study")


def _aligned(report: Report) -> Html:
    rows = [
        f"{loss.upper()}: {points(found)} points, the same repairs in the student's words or in others"
        for loss, found in report["aligned_minus_unaligned"].items()
    ]
    return _sentences(rows)


def _compared(report: Report) -> Html:
    rows = [
        f"{arm}: " + "; ".join(f"{loss.upper()} {points(found)}" for loss, found in by_loss.items())
        for arm, by_loss in report["differences_from_native"].items()
    ]
    return _sentences(rows)


def _predictions(report: Report) -> Html:
    rows = []
    for loss in report["losses"]:
        rows.append(_correlation(f"{loss.upper()}: log perplexity and accuracy", report, loss, "perplexity"))
        rows.append(_correlation(f"{loss.upper()}: reward and accuracy", report, loss, "reward"))
        swept = report["lambda"][loss]
        best = f"{_weight(swept['best'])} [{_weight(swept['low'])}, {_weight(swept['high'])}]"
        rows.append(f"{loss.upper()}: the lambda whose utility predicts the accuracy gained best: {best}")
        rows.append(f"{loss.upper()}: correlation by lambda: {_by_lambda(swept)}")
    return _sentences(rows)


def _by_lambda(swept: Report) -> str:
    return ", ".join(
        f"{_weight(one['lambda'])}: {number(one['mean'])} [{number(one['low'])}, {number(one['high'])}]"
        for one in swept["correlations"]
    )


def _correlation(title: str, report: Report, loss: str, kind: str) -> str:
    found = report[f"{kind}_and_accuracy"][loss]
    if found is None:
        return f"{title}: no reward model was asked"
    told = (
        f"{name.capitalize()} {number(one['mean'])} [{number(one['low'])}, {number(one['high'])}]"
        for name, one in found.items()
    )
    return f"{title}, over {len(report['arms'])} arms: {', '.join(told)}"


def _weight(value: float | str | None) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:g}"


def _budgets(report: Report) -> Html:
    """Accuracy and truncation at every number of steps."""
    losses = report["losses"]
    names = [f"{loss.upper()} {told}" for loss in losses for told in ("accuracy", "truncated")]
    head = tag("thead", tag("tr", *(tag("th", name) for name in ("arm", "steps", *names))))
    rows = []
    for arm in report["arms"]:
        for budget in report["budgets"]:
            found = [arm["results"][loss][str(budget)] for loss in losses]
            values = [told for one in found for told in (accuracy(one), f"{one['truncated']:.1%}")]
            rows.append(tag("tr", *(tag("td", value) for value in (arm["name"], str(budget), *values))))
    return tag("table", head, tag("tbody", *rows), class_="study")


def _sentences(rows: list[str]) -> Html:
    return tag("ul", *(tag("li", row) for row in rows), class_="plain")


def _notes() -> Html:
    pairs = (joined(tag("dt", name), tag("dd", meaning)) for name, meaning in NOTES.items())
    return tag("div", tag("dl", *pairs), class_="notes")
