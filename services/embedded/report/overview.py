"""The head of the page: outcome counts, the table by file and student, reasons, provenance."""

from __future__ import annotations

from collections import Counter

from services.embedded.report.markup import Html, joined, tag
from services.embedded.report.records import ResultFile
from services.embedded.report.shape import OUTCOMES
from services.embedded.report.tally import Group, Tally

MEANING = {
    "kept": "nothing to change",
    "repaired": "only wrong steps and what depends on them changed",
    "regenerated": "more than that changed",
    "rejected": "wrong, and no acceptable change found",
    "undecided": "nobody could tell right from wrong",
    "failed": "could not be processed",
}


def tiles(tally: Tally) -> Html:
    """One button an outcome, which also filters the trajectories."""
    return tag("div", *(tile(tally, outcome) for outcome in OUTCOMES), class_="tiles")


def tile(tally: Tally, outcome: str) -> Html:
    """The count and share of one outcome."""
    count = tally.outcomes[outcome]
    return tag(
        "button",
        tag("span", f"{count:,}", class_="count"),
        tag("span", f"{outcome} · {share(count, tally.size)}", class_="name"),
        tag("span", MEANING[outcome], class_="meaning"),
        type="button",
        class_=f"tile {outcome}",
        data_outcome=outcome,
        aria_pressed="false",
    )


def share(count: int, total: int) -> str:
    """A share in per cent, a dash of nothing."""
    return f"{count / total:.0%}" if total else "–"


def table(tally: Tally, files: list[ResultFile]) -> Html:
    """One row a file and student."""
    heads = (
        "file",
        "student",
        "records",
        "outcomes",
        *OUTCOMES,
        "answer right before",
        "answer right after",
        "median preserved of repaired",
    )
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in heads)))
    rows = [table_row(group, files[group.file].name) for group in tally.groups.values()]
    return tag("table", head, tag("tbody", *rows), class_="files")


def table_row(group: Group, name: str) -> Html:
    """The figures of one file and student."""
    median = group.preserved["repaired"].quantile(0.5) if "repaired" in group.preserved else None
    counts = [(outcome, f"{group.outcomes[outcome]:,}") for outcome in OUTCOMES]
    cells = [
        ("records", f"{group.size:,}"),
        ("outcomes", stack(group)),
        *counts,
        ("answer right before", f"{group.right_before:,} ({share(group.right_before, group.size)})"),
        ("answer right after", f"{group.right_after:,} ({share(group.right_after, group.size)})"),
        ("median preserved of repaired", "–" if median is None else f"{median:.2f}"),
    ]
    first = tag("th", name, scope="row")
    student = tag("td", group.student, data_head="student", class_="student")
    return tag("tr", first, student, *(tag("td", value, data_head=head) for head, value in cells))


def stack(group: Group) -> Html:
    """All outcomes of one group as one bar."""
    parts, begin = [], 0.0
    for outcome in OUTCOMES:
        width = 100 * group.outcomes[outcome] / group.size
        if width:
            title = tag("title", f"{group.outcomes[outcome]} {outcome}")
            parts.append(
                tag(
                    "rect",
                    title,
                    class_=f"bar {outcome}",
                    x=round(begin, 2),
                    width=round(width, 2),
                    height=10,
                )
            )
        begin += width
    return tag(
        "svg", *parts, viewBox="0 0 100 10", preserveAspectRatio="none", class_="stack", aria_hidden="true"
    )


def reasons(tally: Tally) -> Html:
    """Why records were rejected, undecided, failed or kept: the most frequent reasons."""
    found: Counter[tuple[str, str]] = Counter()
    for group in tally.groups.values():
        for key, count in group.reasons.items():
            found[key] += count
    if not found:
        return Html("")
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        tag("li", tag("b", f"{count:,}"), " ", tag("span", outcome, class_=f"badge {outcome}"), " ", reason)
        for (outcome, reason), count in ordered[:20]
    ]
    more = tag("li", f"and {len(ordered) - 20} further reasons") if len(ordered) > 20 else Html("")
    return tag("details", tag("summary", "Reasons given"), tag("ul", *rows, more, class_="reasons"))


def provenance(tally: Tally, files: list[ResultFile]) -> Html:
    """What each file was made with."""
    parts = []
    for group in tally.groups.values():
        pairs = [joined(tag("dt", key), tag("dd", value)) for key, value in group.provenance.items()]
        parts.append(joined(tag("h4", f"{files[group.file].name} · {group.student}"), tag("dl", *pairs)))
    return tag("details", tag("summary", "Provenance"), *parts, class_="provenance")


def warnings(tally: Tally, files: list[ResultFile]) -> Html:
    """What a reader must know before trusting the counts."""
    notes = [
        f"{file.name}: {file.left_out:,} lines hold no record and are not counted (lines "
        + ", ".join(map(str, file.unreadable))
        + (", …)" if file.left_out > len(file.unreadable) else ")")
        for file in files
        if file.left_out
    ]
    notes += [
        f"{files[group.file].name}: {group.consensus:,} gold answers are a consensus of models, not given."
        for group in tally.groups.values()
        if group.consensus
    ]
    notes += [
        f"{files[group.file].name}: {group.touched:,} texts differ from the student’s outside the edits."
        for group in tally.groups.values()
        if group.touched
    ]
    return tag("ul", *(tag("li", note) for note in notes), class_="warnings") if notes else Html("")
