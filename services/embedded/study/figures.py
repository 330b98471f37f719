"""Which plots a study's page shows, and what is drawn in each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from services.embedded.report.figures import captioned, empty
from services.embedded.report.markup import Html, tag
from services.embedded.study.plots import Dot, Line, colour, intervals, lines, scatter
from services.pipeline.study.table import SIMULATED

Report = dict[str, Any]


def legend(report: Report) -> Html:
    """Colours of the arms; a simulated oracle is called one here too."""
    names = [f"{arm['name']} ({SIMULATED})" if arm["simulated"] else arm["name"] for arm in report["arms"]]
    return tag("ul", *(tag("li", name, class_=colour(i)) for i, name in enumerate(names)), class_="legend")


def figures(report: Report) -> Html:
    """All plots, loss by loss."""
    plots = [_quarters(report)]
    for loss in report["losses"]:
        plots += [
            _accuracies(report, loss),
            _against(report, loss, "perplexity"),
            _against(report, loss, "reward"),
            _differences(report, loss),
            _curves(report, loss),
        ]
    return tag("div", *plots, class_="plots")


def _note(report: Report) -> str:
    """What stands beside every title: a simulation is called one in every plot."""
    return SIMULATED if any(arm["simulated"] for arm in report["arms"]) else ""


def _accuracies(report: Report, loss: str) -> Html:
    rows = [_dot(arm, place, 0.0, found) for place, arm, found in _known(report, loss)]
    title = f"{loss.upper()}: accuracy with 95 % intervals"
    picture = intervals(rows, "accuracy on held-out problems", title)
    return captioned(title, _note(report), picture)


def _against(report: Report, loss: str, kind: str) -> Html:
    title = f"{loss.upper()}: {kind} against accuracy"
    key, label = {
        "perplexity": ("ppl", "log perplexity under the student"),
        "reward": ("reward", "mean reward"),
    }[kind]
    dots = [
        _dot(arm, place, math.log(arm[key]) if key == "ppl" else arm[key], found)
        for place, arm, found in _known(report, loss)
        if arm[key] is not None
    ]
    if not dots:
        return empty(title, "no reward model was asked")
    return captioned(title, _note(report), scatter(dots, label, title))


def _differences(report: Report, loss: str) -> Html:
    rows = []
    for place, arm in enumerate(report["arms"]):
        found = report["differences_from_native"].get(arm["name"], {}).get(loss)
        if found and found["low"] is not None:
            rows.append(Dot(arm["name"], place, 0.0, found["mean"], found["low"], found["high"]))
    title = f"{loss.upper()}: accuracy minus that of native, paired"
    if not rows:
        return empty(title, "there is nothing to compare")
    return captioned(title, _note(report), intervals(rows, "difference of accuracy", title))


def _quarters(report: Report) -> Html:
    drawn = [
        Line(arm["name"], place, [(float(i + 1), math.log(value)) for i, value in enumerate(arm["quarters"])])
        for place, arm in enumerate(report["arms"])
        if None not in arm["quarters"]
    ]
    title = "Log perplexity by quarter of the text"
    if not drawn:
        return empty(title, "no text has four tokens")
    return captioned(title, _note(report), lines(drawn, "quarter", title))


def _curves(report: Report, loss: str) -> Html:
    budget = str(report["budgets"][0])
    drawn = [
        Line(arm["name"], place, [(step, value) for step, value in found])
        for place, arm in enumerate(report["arms"])
        if (found := arm["results"][loss][budget]["curve"])
    ]
    title = f"{loss.upper()}: learning curves, mean of seeds"
    if not drawn:
        return empty(title, "no training told its loss")
    return captioned(title, _note(report), lines(drawn, "step (height: training loss)", title))


def _known(report: Report, loss: str) -> Iterator[tuple[int, Report, Report]]:
    """Place, arm and result of the arms whose accuracy has an interval."""
    budget = str(report["budgets"][0])
    for place, arm in enumerate(report["arms"]):
        found = arm["results"][loss][budget]
        if found["low"] is not None:
            yield place, arm, found


def _dot(arm: Report, place: int, x: float, found: Report) -> Dot:
    return Dot(arm["name"], place, x, found["accuracy"], found["low"], found["high"])
