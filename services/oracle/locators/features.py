"""What speaks for and against each step being the first wrong one, as named numbers.

Every feature is a property that a reader can check in the text; the weights that turn them into a
probability are in ``weights.json`` and were fitted by ``services.oracle.locators.fit``.
"""

from __future__ import annotations

import math
import re

from services.oracle.locators.known import Standing
from services.oracle.locators.reading import Reading, StepReading, repairs

Features = dict[str, float]

_CONCLUDES = re.compile(r"####|boxed|answer is|therefore", re.IGNORECASE)
_SETS_UP = re.compile(r"need to|we can|to find|let's|should|calculate|determine", re.IGNORECASE)
_HEDGES = re.compile(
    r"\b(?:however|wait|assum\w*|mistake|error|incorrect|re-?examin\w*|correct(?:ed|ion)|"
    r"should be|must have)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]{3,}")
_SHORT, _LONG_UNIT, _LENGTH_CAP = 60, 300, 2.0


def features(reading: Reading, problem: str) -> tuple[Features, ...]:
    """One mapping a step; a missing name is zero. The names:

    - ``departs_first``: the first derivation that is false or whose value the reference doesn't derive.
    - ``false``: a false arithmetic claim or one false line of a simplification; ``inexact``: an equality
      that holds only when rounded.
    - ``derives_unknown``: a quantity that is nowhere in problem and reference, nor a regrouping of them;
      ``after_unknown``: one was derived before; ``unknown_again``: before and here.
    - ``repairs_most``: putting this step's value right puts the most later values right.
    - ``progress``: share of the reference's results met before; ``answer_after_known``: everything derived
      is the reference's, and this step concludes from it.
    - ``unknown_stated_first``: the first number outside equations that has no source.
    - ``formulas_foreign``, ``formulas_shared``: few or most of its formulas stand in problem or reference;
      ``numbers_foreign``, ``numbers_known``: likewise its numbers.
    - ``solution_changes``: an equation's solution differs from the one before.
    - ``confirmed``: a value derived from the same operands as in the reference.
    - ``length``: characters / 300, at most 2; ``length_log``: log(1 + characters / 100);
      ``derivations``: log(1 + their number); ``place``: index / 10, at most 1.
    """
    made: tuple[Features, ...] = tuple({} for _ in reading.steps)
    words = set(_WORD.findall(problem.lower()))
    for index, step in enumerate(reading.steps):
        made[index].update(_form(step, index, len(reading.steps), words))
        made[index].update(_content(step, reading))
    for mark in (_mark_departures, _mark_unknowns, _mark_repairs, _mark_progress, _mark_solutions):
        mark(reading, made)
    return made


def _form(step: StepReading, index: int, count: int, problem_words: set[str]) -> Features:
    """Place, length and manner of a step."""
    text = step.text
    words = _WORD.findall(text.lower())
    overlap = sum(word in problem_words for word in words) / max(1, len(words))
    tests = {
        "first": index == 0,
        "second": index == 1,
        "last": index == count - 1,
        "concludes": bool(_CONCLUDES.search(text)),
        "sets_up": bool(_SETS_UP.search(text)),
        "hedges": bool(_HEDGES.search(text)),
        "restates": overlap > 0.75,
        "short": len(text) < _SHORT,
        "plans": bool(_SETS_UP.search(text)) and not step.derived,
        "without_numbers": not step.numbers,
    }
    found = {name: 1.0 for name, holds in tests.items() if holds}
    found["length"] = min(_LENGTH_CAP, len(text) / _LONG_UNIT)
    found["length_log"] = math.log1p(len(text) / 100)
    found["place"] = min(index, 10) / 10
    return found


def _content(step: StepReading, reading: Reading) -> Features:
    """Numbers, formulas and derivations of one step by themselves."""
    known = reading.known
    shared = known.shares_formulas(step.text)
    numbers = [number.value for number in step.numbers if number.value not in (0, 1, 2)]
    sourced = [abs(value) in known.stated or abs(value) in known.given for value in numbers]
    share = sum(sourced) / len(sourced) if sourced else None
    standings = {one.standing for one in step.derived}
    tests = {
        "false": bool(step.slips) or step.sides_differ,
        "inexact": step.inexact,
        "formulas_foreign": shared is not None and shared < 0.3,
        "formulas_shared": shared is not None and shared > 0.7,
        "numbers_foreign": share is not None and share < 0.4,
        "numbers_known": share is not None and share > 0.85,
        "confirmed": Standing.CONFIRMED in standings,
        "derives_unknown": Standing.UNKNOWN in standings,
        "derives_known": Standing.DERIVED in standings or Standing.CONFIRMED in standings,
    }
    found = {name: 1.0 for name, holds in tests.items() if holds}
    found["derivations"] = math.log1p(len(step.derived))
    return found


def _mark_departures(reading: Reading, made: tuple[Features, ...]) -> None:
    departing = [one for one in reading.derived if one.departs]
    if departing:
        made[departing[0].made.step]["departs_first"] = 1.0
    elif reading.derived:
        following = reading.derived[-1].made.step + 1
        if following < len(made):
            made[following]["answer_after_known"] = 1.0


def _mark_unknowns(reading: Reading, made: tuple[Features, ...]) -> None:
    unknown = [one.made.step for one in reading.derived if one.standing is Standing.UNKNOWN]
    for index in range(unknown[0] + 1 if unknown else len(made), len(made)):
        made[index]["after_unknown"] = 1.0
        if made[index].get("derives_unknown"):
            made[index]["unknown_again"] = 1.0
    results = {abs(one.made.result) for one in reading.derived}
    for index, step in enumerate(reading.steps):
        if any(
            number.kind != "word"
            and abs(number.value) > 2
            and not reading.known.holds(number.value)
            and abs(number.value) not in results
            for number in step.loose_numbers
        ):
            made[index]["unknown_stated_first"] = 1.0
            return


def _mark_repairs(reading: Reading, made: tuple[Features, ...]) -> None:
    gains = repairs(reading)
    most = max(gains, default=0)
    if most >= 2:
        made[reading.derived[gains.index(most)].made.step]["repairs_most"] = 1.0


def _mark_progress(reading: Reading, made: tuple[Features, ...]) -> None:
    needed = {abs(one.result) for one in reading.known.derivations}
    met: set[object] = set()
    for index, step in enumerate(reading.steps):
        made[index]["progress"] = len(met & needed) / max(1, len(needed))
        met.update(abs(one.made.result) for one in step.derived)
        met.update(abs(number.value) for number in step.numbers)


def _mark_solutions(reading: Reading, made: tuple[Features, ...]) -> None:
    for index in reading.changed:
        made[index]["solution_changes"] = 1.0
