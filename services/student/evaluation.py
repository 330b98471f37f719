"""Does style separate authors? Whole texts paired by problem, and steps of one author put into another's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.student.chargram import CharGram
from services.student.pieces import reasoning_spans, step_spans
from services.student.profile import FittedStudent, Kind, fit_student
from shared.domain import Span
from shared.errors import InputError
from shared.ports import ScoreRequest
from shared.style import loss

# Lengths (tokens) at which the curve over span length is cut.
LENGTHS = (1, 8, 12, 16, 20, 26, 36)


@dataclass(frozen=True, slots=True)
class Pair:
    """One problem with the solutions of the native and of the other author."""

    problem: str
    native: str
    other: str


@dataclass(frozen=True, slots=True)
class Spliced:
    """A native text in which one step is replaced by a step of the other author; `span` is that step."""

    problem: str
    text: str
    span: Span
    answer: bool


@dataclass(frozen=True, slots=True)
class Flags:
    """Spans judged and flagged."""

    spans: int = 0
    flagged: int = 0

    def __add__(self, other: Flags) -> Flags:
        return Flags(self.spans + other.spans, self.flagged + other.flagged)

    @property
    def share(self) -> float:
        """Flagged share; NaN without spans."""
        return self.flagged / self.spans if self.spans else float("nan")


@dataclass(frozen=True, slots=True)
class StyleEvaluation:
    """Figures of one pair of authors, both halves pooled.

    Attributes:
        auroc: how often the other author's text is the more foreign of the two of a problem (ties half).
        auroc_char6: the same by a character 6-gram fitted on the same texts.
        native, other: spans without answer lines. native_lines, other_lines: answer lines alone.
        by_length: least length in tokens, native and other flags of spans from there to the next.
        alpha: level of the gate.
    """

    auroc: float
    auroc_char6: float
    native: Flags
    other: Flags
    native_lines: Flags
    other_lines: Flags
    by_length: tuple[tuple[int, Flags, Flags], ...]
    alpha: float


def half_of(problem: str) -> int:
    """0 or 1, by the hash of the problem."""
    return hashlib.sha256(f"half:{problem}".encode("utf-8", "surrogatepass")).digest()[0] & 1


def evaluate(
    pairs: Sequence[Pair], *, kind: Kind = "proxy", model: Path | str | None = None, alpha: float = 0.05
) -> StyleEvaluation:
    """Fit on the native texts of one half of the problems, measure on the other, and the other way round.

    Raises InputError where a half has too few problems to fit on.
    """
    tally = _Tally(alpha)
    for half in (0, 1):
        fitting = [(pair.problem, pair.native) for pair in pairs if half_of(pair.problem) != half]
        unseen = [pair for pair in pairs if half_of(pair.problem) == half]
        if not unseen:
            raise InputError("the file holds problems of one half only; give more problems")
        student = fit_student("native", fitting, kind=kind, model=model, alpha=alpha)
        tally.add_texts(student, CharGram(text for _, text in fitting), unseen)
        tally.add_spans(student, unseen)
    return tally.result()


def splice(pair: Pair, author: str) -> Iterator[Spliced]:
    """The native text with one step after another replaced by the author's step of the same index.

    `author` is the author's whole text (the native one itself gives the native steps in place). Where it has
    fewer steps its last one is taken; reasoning is put for reasoning, and an answer line for an answer line.
    """
    native, other = reasoning_spans(pair.native), reasoning_spans(author)
    for index, place in enumerate(native):
        if other:
            step = other[min(index, len(other) - 1)].of(author)
            yield _put(pair, place, step, False)
    ours, theirs = step_spans(pair.native)[len(native) :], step_spans(author)[len(other) :]
    if ours and theirs:
        yield _put(pair, ours[-1], theirs[-1].of(author), True)


def paired_auroc(native: Sequence[float], other: Sequence[float]) -> float:
    """Share of pairs in which the other one is higher, ties counting half; NaN without pairs."""
    wins = sum((b > a) + 0.5 * (a == b) for a, b in zip(native, other, strict=True))
    return wins / len(native) if native else float("nan")


def _put(pair: Pair, place: Span, step: str, answer: bool) -> Spliced:
    text = pair.native[: place.start] + step + pair.native[place.end :]
    return Spliced(pair.problem, text, Span(place.start, place.start + len(step)), answer)


class _Tally:
    """Collects what both halves say."""

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self._foreign: tuple[list[float], list[float]] = ([], [])
        self._letters: tuple[list[float], list[float]] = ([], [])
        self._steps = [[Flags()] * len(LENGTHS), [Flags()] * len(LENGTHS)]
        self._lines = [Flags(), Flags()]

    def add_texts(self, student: FittedStudent, rival: CharGram, pairs: Sequence[Pair]) -> None:
        for side, texts in enumerate(([p.native for p in pairs], [p.other for p in pairs])):
            requests = [ScoreRequest(pair.problem, text) for pair, text in zip(pairs, texts, strict=True)]
            self._foreign[side].extend(foreignness(student, requests))
            self._letters[side].extend(rival.mean(text) for text in texts)

    def add_spans(self, student: FittedStudent, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            for side, author in enumerate((pair.native, pair.other)):
                for spliced in splice(pair, author):
                    self._judge(student, side, spliced)

    def _judge(self, student: FittedStudent, side: int, spliced: Spliced) -> None:
        verdict = student.gate.judge(spliced.problem, spliced.text, spliced.span, student.profile)
        if verdict.tokens == 0:
            return
        flags = Flags(1, int(not verdict.passed))
        if spliced.answer:
            self._lines[side] += flags
        else:
            bucket = sum(least <= verdict.tokens for least in LENGTHS) - 1
            self._steps[side][bucket] += flags

    def result(self) -> StyleEvaluation:
        native, other = self._steps
        return StyleEvaluation(
            auroc=paired_auroc(*self._foreign),
            auroc_char6=paired_auroc(*self._letters),
            native=sum(native, Flags()),
            other=sum(other, Flags()),
            native_lines=self._lines[0],
            other_lines=self._lines[1],
            by_length=tuple(zip(LENGTHS, native, other, strict=True)),
            alpha=self._alpha,
        )


def foreignness(student: FittedStudent, requests: Sequence[ScoreRequest]) -> list[float]:
    """How foreign each whole text is: the gate's statistic with the proxy, else mean surprisal (nats)."""
    if student.kind == "proxy":
        gate = student.gate
        whole = (gate.measure(r.problem, r.text, [Span(0, len(r.text))])[0] for r in requests)
        return [gate.statistic(measured) for measured in whole]
    return [loss(scores.surprisals).mean for scores in student.scorer.score(requests)]
