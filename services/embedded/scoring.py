"""What ``idiolect score`` does: scores a stream of solutions or records, line by line, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from services.embedded.composition import load
from services.embedded.scorables import read_scorables
from services.pipeline.assembly import ScorerKind
from services.pipeline.scoring import Pair, Scorable, Speaker, score_line, score_pairs
from shared.domain import TokenScores
from shared.errors import FieldError
from shared.jsonl import BadLine, dump_line
from shared.shapes import Reading
from shared.style import (
    CorpusComparison,
    CorpusStyle,
    Side,
    finite,
)

_AT_ONCE = 64
Refuse = Callable[[int, str], None]


def speaker_for(
    profile: Path | None, kind: ScorerKind | None, model: str | None, samples: Callable[[], Samples]
) -> Speaker:
    """The profile's scorer; else the named one, where the proxy is fitted on `samples`.

    Raises FieldError for options that contradict each other, and InputError for too few samples.
    """
    from services.student.profile import fit_student

    if model is not None and (profile is not None or kind != "transformers"):
        raise FieldError("--model", "is used with --scorer transformers only", "add it, or leave --model out")
    if profile is not None:
        student = load(profile)
        if kind not in (None, student.kind):
            raise FieldError("--scorer", f"the profile was fitted with {student.kind}", "leave --scorer out")
    elif kind == "transformers":
        from services.student.engines.transformers import TransformersScorer

        return Speaker(TransformersScorer.load(model))
    else:
        student = fit_student("student", samples())
    return Speaker(student.scorer, student.profile.id, student.profile.band)


Samples = Iterator[tuple[str, str]]


def native_samples(stream: BinaryIO, reading: Reading, limit: int | None) -> Samples:
    """(problem, the student's own text) of every good line; `stream` is put back to its begin after it."""
    for item in read_scorables(stream, reading, limit):
        if isinstance(item, Scorable):
            yield item.problem, item.native
    stream.seek(0)


@dataclass(slots=True)
class FileStyle:
    """Figures of a file, token-weighted.

    Attributes:
        solutions: figures of its solutions. records: of its records. One of the two stays empty.
        bad: lines that could not be scored.
    """

    solutions: CorpusStyle = field(default_factory=CorpusStyle)
    records: CorpusComparison = field(default_factory=CorpusComparison)
    bad: int = 0


class Scoring:
    """Scores lines in chunks and writes them one by one."""

    def __init__(self, speaker: Speaker, tokens: bool, sink: BinaryIO | None) -> None:
        """`tokens` adds token scores to the lines, which go to `sink`, if there is one."""
        self.style = FileStyle()
        self._speaker, self._tokens, self._sink = speaker, tokens, sink

    def run(self, items: Iterator[Scorable | BadLine]) -> FileStyle:
        """Scores all of them; what can't be read or scored is named on stderr."""
        good = self._good(items)
        while chunk := list(islice(good, _AT_ONCE)):
            for item, (native, scores) in self._scored(chunk):
                self._count(item, native, scores)
                if self._sink is not None:
                    self._sink.write(
                        dump_line(score_line(self._speaker, item, native, scores, tokens=self._tokens))
                    )
            if self._sink is not None:
                self._sink.flush()
        return self.style

    def _good(self, items: Iterator[Scorable | BadLine]) -> Iterator[Scorable]:
        for item in items:
            if isinstance(item, BadLine):
                self._refuse(item.line, item.reason)
            else:
                yield item

    def _refuse(self, line: int, reason: str) -> None:
        self.style.bad += 1
        print(f"line {line}: {reason}", file=sys.stderr)

    def _scored(self, chunk: list[Scorable]) -> Iterator[tuple[Scorable, Pair]]:
        """Scores of native text and of the text asked for; item by item where one can't be scored."""
        try:
            yield from zip(chunk, score_pairs(self._speaker.engine, chunk), strict=True)
        except FieldError as error:
            if len(chunk) == 1:
                self._refuse(chunk[0].line, str(error))
                return
            for item in chunk:
                yield from self._scored([item])

    def _count(self, item: Scorable, native: TokenScores, scores: TokenScores) -> None:
        band = self._speaker.band
        if item.refined is None:
            self.style.solutions.add(scores, band)
        else:
            self.style.records.add(native, item.native, scores, item.refined, band)


def file_figures(style: FileStyle, speaker: Speaker, top: int) -> dict[str, Any]:
    """The file's figures, JSON-ready; those of records hold both sides and `top` tokens of each table."""
    compared, banded = style.records, speaker.band is not None
    texts = compared.refined if compared.refined.texts else style.solutions
    tokens = texts.total.tokens
    figures = {
        "n": texts.texts,
        "bad_lines": style.bad,
        "scorer": speaker.engine.info.name,
        "label": speaker.engine.info.label,
        **_corpus(texts),
        "cost": texts.excess / tokens if banded and tokens else None,
    }
    if compared.refined.texts:
        figures["cost"] = finite(compared.cost) if banded else None
        figures["drift"] = finite(compared.drift)
        figures["native"] = _corpus(compared.native)
        figures["top_q1"] = {side: _losses(compared, top, side) for side in _SIDES}
        figures["token_shifts"] = _shifts(compared, top)
    return figures


_SIDES: tuple[Side, Side] = ("native", "refined")


def _corpus(style: CorpusStyle) -> dict[str, Any]:
    return {
        "tokens": style.total.tokens,
        "ppl": finite(style.perplexity),
        "quarters": [finite(part.perplexity) for part in style.quarters],
        "rsr": finite(style.rsr),
    }


def _losses(compared: CorpusComparison, top: int, side: Side) -> list[dict[str, Any]]:
    rows = compared.tokens.opening_losses(top, side)
    return [{"token": row.token, "count": row.count, "nll": row.nll} for row in rows]


def _shifts(compared: CorpusComparison, top: int) -> list[dict[str, Any]]:
    """The shifts that are any; `change` is the refined minus the native share of all tokens."""
    return [
        {"token": row.token, "native": row.native_count, "refined": row.refined_count, "change": row.change}
        for row in compared.tokens.shifts(top)
        if row.change
    ]
