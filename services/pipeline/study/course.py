"""The course of a study: design, then stage after stage for each student and draw, then the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.pipeline.study.cell import Cell
from services.pipeline.study.parts import Parts
from services.pipeline.study.report import clean, design_of, report_of, summary_of
from services.pipeline.study.results import Results
from services.pipeline.study.shelf import Shelf
from services.pipeline.study.stage_arms import arms
from services.pipeline.study.stage_runs import runs
from services.pipeline.study.stage_sample import sample, shared_problems
from services.pipeline.study.stage_score import score
from services.pipeline.study.table import markdown
from shared.study.config import StudyConfig

REPORT, TABLE, SUMMARY = "report.json", "table.md", "summary.json"


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished study: its report, and the summary that is its last line."""

    report: dict[str, Any]
    summary: dict[str, Any]


@dataclass
class Course:
    """One study in one folder; `say` tells people what happens."""

    config: StudyConfig
    parts: Parts
    folder: Path
    fresh: bool = False
    say: Callable[[str], None] = lambda sentence: None

    def run(self, page: str = "report.html") -> Finished:
        """Go on from whatever is there to the report. DriftError where that was made of something else.

        `page` is where the page that a caller makes of the report will stand, for the summary.
        """
        self._check_config()
        if self.config.trains:
            self._state_design()
        self._work_through()
        return self._report(page)

    def work(self) -> None:
        """All stages between the design and the report."""
        self._check_config()
        self._work_through()

    @property
    def cells(self) -> list[Cell]:
        """Each student on each draw."""
        shelf = Shelf(self.folder / "cells", self.fresh)
        return [
            Cell(self.config, self.parts, student, draw, shelf.within(f"student{place}.draw{draw}"))
            for place, student in enumerate(self.parts.students, start=1)
            for draw in self.config.problems.draws
        ]

    def _check_config(self) -> None:
        """DriftError where the folder is that of another config, unless the caller means the change."""
        shelf, told = Shelf(self.folder, self.fresh), self.config.identity()
        if not shelf.has("config", told):
            shelf.keep("config", told, [])

    def _work_through(self) -> None:
        for cell in self.cells:
            self._work(cell)

    def _state_design(self) -> None:
        design = clean(design_of(self.config, len(self.cells)))
        shelf = Shelf(self.folder, self.fresh)
        if not shelf.has("design", design):
            shelf.keep("design", design, [design])
        self.say(
            f"smallest difference that {design['seeds']} seeds on {design['problems']} problems can detect: "
            f"{100 * design['detectable']:.1f} points (80 % of studies, two-sided 5 %)"
        )

    def _work(self, cell: Cell) -> None:
        self.say(f"{cell.name}: sample")
        sampled = sample(cell)
        shared = shared_problems(cell, sampled)
        self.say(f"{cell.name}: arms on {len(shared)} problems")
        made = arms(cell, sampled, shared)
        self.say(f"{cell.name}: score {len(made)} arms")
        score(cell, sampled, made)
        if self.config.trains:
            self.say(f"{cell.name}: train and evaluate")
            runs(cell, made)

    def _report(self, page: str) -> Finished:
        results = Results(self.config, self.cells)
        report, summary = report_of(results), summary_of(results, page)
        _write(self.folder / REPORT, json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        _write(self.folder / TABLE, markdown(report))
        _write(self.folder / SUMMARY, json.dumps(summary, allow_nan=False) + "\n")
        return Finished(report, summary)


def _write(path: Path, content: str) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(content.encode("utf-8"))
    draft.replace(path)
