"""How a student writes mathematics: the habits a repair has to keep.

Habits are counted on the student's own text, so that a new step can be set in the same operator signs,
spacing, currency, connectors, step markers and answer phrase. Everything here is a count of surface
forms; nothing is normalised.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

_T = TypeVar("_T")

_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_TIMES = {
    "*": re.compile(r"\d\s{0,2}\*\s{0,2}[\d$(.]"),
    "x": re.compile(r"\d\s{0,2}x\s{0,2}[\d$(.]"),
    "×": re.compile(r"×"),
    r"\times": re.compile(r"\\times\b"),
    r"\cdot": re.compile(r"\\cdot\b"),
}
_DIVIDE = {
    "/": re.compile(r"\d\s{0,2}/\s{0,2}[\d$(]"),
    "÷": re.compile(r"÷"),
    r"\div": re.compile(r"\\div\b"),
}
_SPACED = re.compile(r"\w\s[-+*/x×÷]\s[\d$(.]")
_TIGHT = re.compile(r"\d[-+*/x×÷][\d$(.]")
_EQUALS_SPACED = re.compile(r"\s=\s")
_EQUALS_TIGHT = re.compile(r"[\w)]=[\w$<(]")
_GROUPED = re.compile(r"\b\d{1,3}(?:,\d{3})+\b")
_UNGROUPED = re.compile(r"(?<![\d,.])\d{4,}(?![\d,])")
_CURRENCY_INSIDE = re.compile(r"\$\s?\d[\d,.]*(?=\s{0,2}[-+*/x×÷])|(?<=[-+*/x×÷])\s{0,2}\$\s?\d")
_CURRENCY_RESULT = re.compile(r"=\s{0,2}\$")
_MARKERS = (
    re.compile(r"^(?P<before>\s*Step )(?P<k>\d+)(?P<after>\s*[:.]\s+)"),
    re.compile(r"^(?P<before>\s*)(?P<k>\d+)(?P<after>[.)]\s+)"),
    re.compile(r"^(?P<before>\s*[-*•]\s+)(?P<k>)(?P<after>)"),
)
_CONNECTOR = re.compile(
    r"^(So|Then|Therefore|Thus|Hence|Next|Now|Finally|In total|That means|This means|Altogether)\b(,?)"
)
_ANSWER = re.compile(
    r"(?P<lead>(?:The (?:final )?answer is:?|A:|####|Answer:|The final answer is:?)\s*)(?P<currency>\$?)\s*"
    rf"(?P<value>-?{_NUMBER})(?P<tail>[^\n]{{0,40}})$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Notation:
    """Surface habits of one student.

    Attributes:
        times: multiplication sign. divide: division sign.
        spaced: ``3 + 4`` rather than ``3+4``. equals_spaced: ``= 7`` rather than ``=7``.
        notes: calculator notes ``<<3+4=7>>`` are written.
        currency_inside: currency signs stand at operands, not only at results.
        grouped: thousands separators are written.
        connector: the usual opener of a step that concludes, with its comma, "" where there is none.
        marker_before, marker_after: what stands around a step's number; both "" without markers.
        numbered: the marker holds a number.
        terminal: what a step ends with, "." or "".
        answer: phrase that leads in the final answer, "" where the last step simply holds it.
    """

    times: str = "*"
    divide: str = "/"
    spaced: bool = True
    equals_spaced: bool = True
    notes: bool = False
    currency_inside: bool = False
    grouped: bool = False
    connector: str = ""
    marker_before: str = ""
    marker_after: str = ""
    numbered: bool = False
    terminal: str = ""
    answer: str = ""

    def marker(self, k: int) -> str:
        """Marker of the step with 1-based number `k`."""
        return f"{self.marker_before}{k if self.numbered else ''}{self.marker_after}"

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """As ordered pairs of strings, the form a profile stores."""
        return tuple((name, str(value)) for name, value in asdict(self).items())


def from_pairs(pairs: Iterable[tuple[str, str]]) -> Notation:
    """The inverse of `Notation.pairs`; unknown names are ignored, missing ones keep their default."""
    given = dict(pairs)
    known: dict[str, Any] = {}
    for field in fields(Notation):
        if field.name in given:
            value = given[field.name]
            known[field.name] = value == "True" if field.name in _FLAGS or field.name == "numbered" else value
    return Notation(**known)


def observe(solutions: Iterable[Sequence[str]], fallback: Notation | None = None) -> Notation:
    """Habits counted over `solutions`, each a sequence of step texts.

    Where the texts show no evidence for a habit, it is taken from `fallback`.
    """
    counts = _Counts()
    for steps in solutions:
        counts.add(steps)
    return counts.settle(fallback or Notation())


class _Counts:
    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        self.divide: Counter[str] = Counter()
        self.flags: Counter[tuple[str, bool]] = Counter()
        self.connectors: Counter[str] = Counter()
        self.markers: Counter[tuple[str, str, bool]] = Counter()
        self.terminals: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()

    def add(self, steps: Sequence[str]) -> None:
        for step in steps:
            self._add_signs(step)
            self._add_frame(step)
        self._add_answer(steps)

    def _add_signs(self, step: str) -> None:
        bare = re.sub(r"<<[^<>]*>>", "", step)
        for sign, pattern in _TIMES.items():
            self.times[sign] += len(pattern.findall(bare))
        for sign, pattern in _DIVIDE.items():
            self.divide[sign] += len(pattern.findall(bare))
        self._flag("spaced", len(_SPACED.findall(bare)), len(_TIGHT.findall(bare)))
        self._flag("equals_spaced", len(_EQUALS_SPACED.findall(step)), len(_EQUALS_TIGHT.findall(bare)))
        self._flag("notes", step.count("<<"), step.count("=") - 2 * step.count("<<"))
        self._flag("grouped", len(_GROUPED.findall(bare)), len(_UNGROUPED.findall(bare)))
        inside, results = len(_CURRENCY_INSIDE.findall(bare)), len(_CURRENCY_RESULT.findall(bare))
        self._flag("currency_inside", inside, results)

    def _flag(self, name: str, yes: int, no: int) -> None:
        self.flags[name, True] += max(0, yes)
        self.flags[name, False] += max(0, no)

    def _add_frame(self, step: str) -> None:
        marker, body = split_marker(step)
        before, _, after = marker
        self.markers[before, after, bool(marker[1])] += 1
        opener = _CONNECTOR.match(body)
        if opener:
            self.connectors[opener.group(0)] += 1
        self.terminals["." if step.rstrip().endswith(".") else ""] += 1

    def _add_answer(self, steps: Sequence[str]) -> None:
        found = answer_phrase(steps[-1]) if steps else None
        self.answers[found or ""] += 1

    def settle(self, fallback: Notation) -> Notation:
        before, after, numbered = _top(
            self.markers, (fallback.marker_before, fallback.marker_after, fallback.numbered)
        )
        return Notation(
            times=_top(self.times, fallback.times),
            divide=_top(self.divide, fallback.divide),
            connector=_top(self.connectors, fallback.connector),
            marker_before=before,
            marker_after=after,
            numbered=numbered,
            terminal=_top(self.terminals, fallback.terminal),
            answer=_top(self.answers, fallback.answer),
            **{name: self._settled(name, getattr(fallback, name)) for name in _FLAGS},
        )

    def _settled(self, name: str, fallback: bool) -> bool:
        yes, no = self.flags[name, True], self.flags[name, False]
        return fallback if yes == no else yes > no


_FLAGS = ("spaced", "equals_spaced", "notes", "currency_inside", "grouped")


def _top(counts: Counter[_T], fallback: _T) -> _T:
    best = counts.most_common(1)
    return best[0][0] if best and best[0][1] > 0 else fallback


def split_marker(step: str) -> tuple[tuple[str, str, str], str]:
    """Split off a step marker: ((before, number, after), body); all "" without one."""
    for pattern in _MARKERS:
        found = pattern.match(step)
        if found:
            return (found["before"], found["k"], found["after"]), step[found.end() :]
    return ("", "", ""), step


def answer_phrase(step: str) -> str | None:
    """The words that lead in a final answer at the end of `step`, or None."""
    found = _ANSWER.search(step.rstrip())
    return found["lead"] if found else None
