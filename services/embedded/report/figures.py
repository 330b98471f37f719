"""The plots of one file and student: what was preserved, what it costs, what it is worth, and by whom."""

from __future__ import annotations

from collections import Counter

from services.embedded.report.histogram import Histogram
from services.embedded.report.markup import Html, tag
from services.embedded.report.plots import Axis, Layer, bars, in_view, points, value_axis
from services.embedded.report.tally import ACCEPTED, Group, preserved_histogram

LABELS = {
    "native": "the student itself",
    "surrogate": "a surrogate: another model than the one that wrote the texts",
    "proxy": "a proxy: fitted on the student's own texts",
    "scripted": "a scripted stand-in: invented numbers",
}


def figures(group: Group, name: str) -> Html:
    """One row of plots, with the scorer named."""
    heading = tag("h3", name, " ", tag("span", group.student, class_="quiet"))
    row = tag("div", rewriters(group), preserved(group), drift(group), utility(group), class_="plots")
    return tag("section", heading, tag("p", scored_by(group), class_="quiet"), row, class_="group")


def scored_by(group: Group) -> str:
    """Who gave the style figures, and what kind of witness that is."""
    if not group.scorers:
        return "No scorer was asked: there are no style figures."
    named = (
        f"{scorer} ({LABELS.get(label, label)}; {n} records)" for (scorer, label), n in group.scorers.items()
    )
    return "Style figures by " + " and ".join(named) + "."


def captioned(title: str, note: str, picture: Html) -> Html:
    """A plot under its title, with what it shows and over how many."""
    return tag("figure", tag("figcaption", tag("b", title), " ", tag("span", note)), picture)


def empty(title: str, why: str) -> Html:
    """A plot that has nothing to show."""
    return captioned(title, "", tag("p", why, class_="nothing"))


def rewriters(group: Group) -> Html:
    """Accepted refinements by rewriter."""
    if not group.accepted:
        return empty("Who repaired", "nothing was repaired or regenerated")
    totals: Counter[str] = Counter()
    for (rewriter, _), count in group.rewriters.items():
        totals[rewriter] += count
    rows = [share_row(group, rewriter, count) for rewriter, count in totals.most_common(8)]
    return captioned(
        "Who repaired", f"{group.accepted} accepted, by rewriter", tag("div", *rows, class_="shares")
    )


def share_row(group: Group, rewriter: str, count: int) -> Html:
    """One rewriter's bar: repaired and regenerated, as a share of all that was accepted."""
    repaired, regenerated = (
        100 * group.rewriters[rewriter, outcome] / group.accepted for outcome in ACCEPTED
    )
    segments = [
        tag("rect", class_="bar repaired", height=10, width=round(repaired, 2)),
        tag("rect", class_="bar regenerated", height=10, x=round(repaired, 2), width=round(regenerated, 2)),
    ]
    picture = tag("svg", *segments, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")
    said = tag("span", f"{count} ({count / group.accepted:.0%})", class_="n")
    return tag("div", tag("span", rewriter, class_="who"), said, picture)


def preserved(group: Group) -> Html:
    """How much of the native text stands unchanged in what was accepted."""
    if not group.accepted:
        return empty("Preserved", "nothing was repaired or regenerated")
    axis = Axis(
        0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), "native characters outside the edits / native characters"
    )
    found = {outcome: group.preserved.get(outcome, preserved_histogram()) for outcome in ACCEPTED}
    layers = [Layer(outcome, in_view(histogram, axis, 20)) for outcome, histogram in found.items()]
    median = found["repaired"].quantile(0.5)
    marks = [(median, f"median of repaired {median:.2f}")] if median is not None else []
    note = ", ".join(f"{histogram.count} {outcome}" for outcome, histogram in found.items())
    return captioned(
        "Preserved", note, bars(layers, axis, marks, f"Histogram of the preserved fraction, {note}")
    )


def drift(group: Group) -> Html:
    """Drift of the edited spans."""
    histogram = group.edit_drift
    if not histogram.count:
        return empty("Drift of the edited spans", "no edited span was scored")
    label = "nats per token, refined minus native"
    axis = Axis(histogram.low, histogram.high, (-4, -2, 0, 2, 4), label)
    mean = histogram.mean or 0.0
    note = f"{histogram.count} of {group.accepted} accepted" + whole_text(group.drift)
    picture = bars([Layer("drift", in_view(histogram, axis, 32))], axis, [(mean, f"mean {mean:+.2f}")], note)
    return captioned("Drift of the edited spans", note, picture)


def whole_text(histogram: Histogram) -> str:
    """The mean drift of whole texts, in words."""
    return "" if histogram.mean is None else f"; whole texts: mean {histogram.mean:+.3f}"


def utility(group: Group) -> Html:
    """Utility against cost."""
    if not group.points:
        return empty("Utility against cost", "no cost was computed")
    found = [point for _, point in sorted(group.points)]
    costs = sorted(cost for cost, _, _ in found)
    x = value_axis(costs[int(0.98 * (len(costs) - 1))], "cost: nats above the native band, per native token")
    low = min(total for _, total, _ in found)
    y = (
        Axis(-1.0, 1.0, (-1.0, -0.5, 0.0, 0.5, 1.0), "")
        if low < -0.5
        else Axis(-0.5, 1.0, (-0.5, 0.0, 0.5, 1.0), "")
    )
    shown = "" if len(found) == group.scored else f"{len(found)} of "
    note = f"benefit − {group.weight:g} × cost; {shown}{group.scored} records"
    note += "; beyond the frame: at its edge" if low < -1 or costs[-1] > x.high else ""
    return captioned("Utility against cost", note, points(found, x, y, f"Scatter plot of utility, {note}"))
