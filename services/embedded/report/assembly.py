"""Puts the page together: reads every record once, counts all, shows a bounded choice."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path

from services.embedded.report.card import Card, card
from services.embedded.report.choice import Choice
from services.embedded.report.figures import figures
from services.embedded.report.markup import Html, json_for_script, tag
from services.embedded.report.overview import provenance, reasons, table, tiles, warnings
from services.embedded.report.records import ResultFile, result_files
from services.embedded.report.tally import Tally
from services.embedded.report.tokens import token_strips
from shared.errors import InputError

MOST_SHOWN = 300


@dataclass(frozen=True)
class Written:
    """What a report holds: records counted, trajectories shown in full, lines that were no records."""

    path: Path
    records: int
    shown: int
    left_out: int


def write_report(inputs: list[Path], output: Path, most: int = MOST_SHOWN) -> Written:
    """Read result files and write one self-contained page.

    Every record is counted; at most `most` are shown in full. The page is put in place whole or not at all.

    Raises:
        InputError: a file is missing, or none of them holds a record.
    """
    files = result_files(inputs)
    tally, choice = read(files, most)
    if not tally.size:
        raise InputError(f"no records in {', '.join(str(path) for path in inputs)}")
    shown = cards(files, choice)
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    draft.write_text(page(files, tally, shown), encoding="utf-8", newline="\n")
    draft.replace(output)
    return Written(output, tally.size, len(shown), sum(file.left_out for file in files))


def read(files: list[ResultFile], most: int) -> tuple[Tally, Choice]:
    """One pass over all files."""
    tally, choice = Tally(), Choice(most)
    for place, file in enumerate(files):
        for number, (offset, record) in enumerate(file.records()):
            tally.add(place, number, record)
            choice.offer(place, record["outcome"], number, offset)
    return tally, choice


def cards(files: list[ResultFile], choice: Choice) -> list[Card]:
    """The chosen records as the page shows them, with their tokens where a sidecar has them."""
    shown: list[Card] = []
    for place, file in enumerate(files):
        records = list(file.records_at(choice.chosen(place)))
        strips = token_strips(file.path, {record["line"]: record for record in records})
        for record in records:
            strip = strips.get(record["line"])
            shown.append(card(record, place) | ({"tokens": strip} if strip else {}))
    return shown


def page(files: list[ResultFile], tally: Tally, shown: list[Card]) -> str:
    """The page: a template whose slots are filled in one pass, so that no text can pose as a slot."""
    sheet, script = part("style.css"), part("page.js")
    slots = {
        "policy": policy(sheet, script),
        "style": sheet,
        "script": script,
        "title": tag("title", f"Idiolect report: {', '.join(file.name for file in files)}"),
        "lead": lead(files, tally),
        "warnings": warnings(tally, files),
        "tiles": tiles(tally),
        "table": table(tally, files),
        "reasons": reasons(tally),
        "figures": Html("".join(figures(group, files[group.file].name) for group in tally.groups.values())),
        "provenance": provenance(tally, files),
        "shown": showing(len(shown), tally.size),
        "data": json_for_script(data(files, tally, shown)),
    }
    pieces = part("page.html").split("%%")
    return "".join(slots[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def part(name: str) -> Html:
    """One of the page's own files."""
    return Html(resources("services.embedded.report").joinpath("page", name).read_text(encoding="utf-8"))


def policy(sheet: str, script: str) -> Html:
    """The page's own content policy: this script, this style sheet, and no request to anywhere."""
    return Html(
        f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(sheet)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """A source expression that allows exactly this inline text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def lead(files: list[ResultFile], tally: Tally) -> Html:
    """One sentence on what the page is about."""
    before = sum(group.right_before for group in tally.groups.values())
    after = sum(group.right_after for group in tally.groups.values())
    named = f"{len(files)} files" if len(files) > 1 else files[0].name
    touched = any(group.touched for group in tally.groups.values())
    promise = (
        "Outside the marked edits every refined text is the student’s own, character for character: checked."
    )
    return tag(
        "p",
        f"{tally.size:,} trajectories from {named}. Right answers: {before:,} before, {after:,} after. "
        + ("" if touched else promise),
        class_="lead",
    )


def showing(shown: int, total: int) -> Html:
    """How many of the records can be read on the page."""
    if shown == total:
        return tag("p", f"All {total:,} records are shown.", class_="quiet")
    return tag(
        "p",
        f"{shown:,} of {total:,} records are shown, {total - shown:,} are left out. They are taken from "
        "every file and outcome in turn (repaired and regenerated ones more often), by their place and "
        "not by their content. All counts and plots above are over all records.",
        class_="quiet",
    )


def data(files: list[ResultFile], tally: Tally, shown: list[Card]) -> dict[str, object]:
    """What the script works on: the chosen records and the colour scale of each file."""
    scales = {
        f"{group.file}\n{group.student}": group.step_mean.quantile(0.95) for group in tally.groups.values()
    }
    return {"files": [file.name for file in files], "scales": scales, "cards": shown}
