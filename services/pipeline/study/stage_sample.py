"""Stages ``sample`` and ``share``: the student's own samples, and the problems that all arms will hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from services.pipeline.study.cell import Cell, asked
from services.pipeline.study.drafts import before
from services.pipeline.study.items import Sampled, StudyProblem
from services.pipeline.study.sharing import Shared, share
from services.pipeline.study.tasks import Ask, Tagged
from shared.errors import InputError
from shared.identity import digest_of

CHUNK = 100
SHARE = "share"


def sample(cell: Cell) -> list[Sampled]:
    """Every problem of the draw with the student's graded samples; chunks that are there are kept."""
    chunks = _chunks(cell)
    made_of = {key: _made_of(cell, chunk) for key, chunk in chunks.items()}

    def settle(tag: str, graded: Any) -> list[Tagged]:
        pairs = zip(chunks[tag], graded, strict=True)
        lines = [Sampled(problem, one.samples).to_json() for problem, one in pairs]
        cell.shelf.keep(tag, made_of[tag], lines)
        return []

    missing = [key for key in chunks if not cell.shelf.has(key, made_of[key])]
    cell.parts.workers.run([Tagged(key, _task(cell, chunks[key]), "sample") for key in missing], settle)
    return list(kept_samples(cell))


def kept_samples(cell: Cell) -> Iterator[Sampled]:
    """What `sample` left."""
    return (Sampled.of(line) for key in _chunks(cell) for line in cell.shelf.lines(key))


def shared_problems(cell: Cell, sampled: list[Sampled]) -> list[Shared]:
    """Problems with a native sample and one to edit; how right the edited one is, is kept beside them."""
    found = share(sampled, cell.config.source, cell.config.native)
    if not found:
        raise InputError(
            f"no problem of draw {cell.draw} has the samples that source = {cell.config.source!r} and "
            f"native = {cell.config.native!r} need; "
            "give more problems or more samples"
        )
    made_of = {"sample": samples_digest(cell), "source": cell.config.source}
    if cell.config.native != "right":
        made_of["native"] = cell.config.native
    if not cell.shelf.has(SHARE, made_of):
        lines = [_line(one, before(cell.parts, one)) for one in found]
        cell.shelf.keep(SHARE, made_of, lines)
    return found


def samples_digest(cell: Cell) -> str:
    """What the samples are, for what is made of them."""
    return digest_of([cell.digest(key) for key in _chunks(cell)])


def _line(one: Shared, correctness: float) -> dict[str, Any]:
    return {"id": one.id, "native": one.native, "source": one.source, "before": correctness}


def _chunks(cell: Cell) -> dict[str, list[StudyProblem]]:
    problems = list(cell.problems)
    starts = range(0, len(problems), CHUNK)
    return {f"sample/{start // CHUNK:04}": problems[start : start + CHUNK] for start in starts}


def _made_of(cell: Cell, chunk: list[StudyProblem]) -> dict[str, Any]:
    return {
        "student": cell.student.digest,
        "sampling": asked(cell.config.sampling),
        "draw": cell.draw,
        "problems": digest_of([asdict(problem) for problem in chunk]),
    }


def _task(cell: Cell, chunk: list[StudyProblem]) -> Ask:
    return Ask(cell.student.model, tuple(one.asked() for one in chunk), cell.config.sampling)
