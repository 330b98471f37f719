"""The cheapest way to lead a student's solution along the reference's derivations.

A beam search over the native steps from the first wrong one on. At each step the solution may go on as
it is (with corrected numbers carried in), take over one derivation of the plan inside its own sentence,
give way to a line of the plan set in the student's notation, or be dropped; a line may be put in before
it. The price is the number of characters that change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from services.oracle.rewriters.carry import Carried, carry
from services.oracle.rewriters.fit import fits, has_algebra, misread
from services.oracle.rewriters.lines import Voice
from services.oracle.rewriters.plan import Plan, PlanItem
from services.oracle.rewriters.script import Entry
from shared.domain import Trajectory
from shared.quantities.equations import Equation, find_equations, is_true
from shared.quantities.numbers import Number, find_numbers
from shared.text.notation import answer_phrase

Values = tuple[tuple[Fraction, Fraction], ...]

WIDTH = 12
CHOICES = 3
INSERTED = 4


@dataclass(frozen=True, slots=True)
class State:
    """A rewritten prefix.

    Attributes:
        cost: characters changed so far. done: plan items that are derived. values: old -> new numbers.
        known: numbers with a source so far. entries: the steps written so far.
    """

    cost: float
    done: frozenset[int]
    values: Values
    known: frozenset[Fraction]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Graft:
    """The search for one trajectory and plan.

    Attributes:
        trajectory: the native one. plan: where to lead it. voice: sets lines in the student's notation.
        start: the step called wrong; it may not simply stay, and nothing before it changes.
    """

    trajectory: Trajectory
    plan: Plan
    voice: Voice
    start: int
    _carried: dict[tuple[int, Values], Carried] = field(default_factory=dict)
    _bodies: dict[int, str] = field(default_factory=dict)

    @cached_property
    def _given(self) -> frozenset[Fraction]:
        numbers = find_numbers(self.trajectory.problem.text)
        parts = (part.value for number in numbers for part in number.parts)
        return frozenset((*(number.value for number in numbers), *parts))

    def solutions(self, most: int) -> list[tuple[Entry, ...]]:
        """Up to `most` rewritten solutions, cheapest first."""
        beam = [self._begin()]
        for index in range(self.start, len(self.trajectory.steps)):
            beam = self._advance(beam, index)
        ended = sorted((end for state in beam for end in self._end(state)), key=lambda s: s.cost)
        texts: dict[tuple[str | None, ...], tuple[Entry, ...]] = {}
        for state in ended:
            texts.setdefault(tuple(entry.text for entry in state.entries), state.entries)
        return list(texts.values())[:most]

    def _begin(self) -> State:
        prefix = self.trajectory.steps[: self.start]
        shown = [equation for step in prefix for equation in find_equations(step.text)]
        results = {e.result.value for e in shown if e.result.value is not None and is_true(e)}
        done = self._reached(frozenset(), frozenset(results))
        entries = tuple(Entry(step.index, step.text) for step in prefix)
        return State(0.0, done, (), self._given | results, entries)

    def _advance(self, beam: Sequence[State], index: int) -> list[State]:
        """All ways through one native step, with up to `INSERTED` lines put in before it."""
        fronts = list(beam)
        for _ in range(INSERTED):
            inserted = [self._inserted(state) for state in fronts]
            fronts = _cheapest([*fronts, *(state for state in inserted if state is not None)])
        return _cheapest([after for state in fronts for after in self._through(state, index)])

    def _through(self, state: State, index: int) -> Iterator[State]:
        step = self.trajectory.steps[index].text
        carried = self._carry(index, state.values)
        if index == len(self.trajectory.steps) - 1:
            yield from self._answered(state, index, carried)
        kept = self._kept(state, index, carried)
        accused = self._stands_accused(state, index, kept)
        if kept is not None and not accused and answer_phrase(carried.text) is None:
            yield kept
        equations = find_equations(carried.text)
        if len(equations) == 1 and not has_algebra(carried.text, equations):
            for item in self._available(state):
                if fits(carried.text, equations[0], item, state.known, self.trajectory.problem.text):
                    yield self._grafted(state, index, carried, equations[0], item)
        for item in self._available(state)[:1]:
            text = self._line(item, index)
            cost = state.cost + len(step) + len(text)
            yield self._with(state, Entry(index, text, True, "reference"), cost, item, state.values)
        dropped = (*state.entries, Entry(index, None, True))
        yield State(state.cost + len(step), state.done, state.values, state.known, dropped)

    def _stands_accused(self, state: State, index: int, kept: State | None) -> bool:
        """Whether this is the step called wrong, and nothing is missing before it or behind it."""
        if index != self.start or any(entry.native is None for entry in state.entries):
            return False
        stops_short = index == len(self.trajectory.steps) - 1
        return not (stops_short and kept is not None and len(self.plan.items) - 1 not in kept.done)

    def _line(self, item: PlanItem, position: int) -> str:
        if item.index not in self._bodies:
            self._bodies[item.index] = self.voice.body(item)
        return self.voice.notation.marker(position + 1) + self._bodies[item.index]

    def _carry(self, index: int, values: Values) -> Carried:
        key = index, values
        if key not in self._carried:
            usable = {old: new for old, new in values if old not in self._given}
            self._carried[key] = carry(self.trajectory.steps[index].text, usable)
        return self._carried[key]

    def _answered(self, state: State, index: int, carried: Carried) -> Iterator[State]:
        """The last step, if it only states the answer, with the plan's answer in it, once that is derived."""
        if len(self.plan.items) - 1 not in state.done or find_equations(carried.text):
            return
        native = self.trajectory.steps[index].text
        text = self.voice.answered(carried.text, self.plan.answer)
        if text is not None:
            cost = state.cost + _difference(native, text)
            yield State(cost, state.done, state.values, state.known, (*state.entries, Entry(index, text)))

    def _kept(self, state: State, index: int, carried: Carried) -> State | None:
        """The step as it is, with numbers carried in, if all it says is true, sourced and on the plan."""
        equations = find_equations(carried.text)
        results = {e.result.value for e in equations if e.result.value is not None}
        if not all(is_true(e) for e in equations) or has_algebra(carried.text, equations):
            return None
        if not results <= self.plan.values | (state.known - self._given):
            return None
        if results and len(self.plan.items) - 1 in state.done:
            return None
        if any(
            not self._sourced(number, state.known | results) for number in _outside(carried.text, equations)
        ):
            return None
        reached = self._reached(state.done, results, state.known)
        cost = state.cost + _difference(self.trajectory.steps[index].text, carried.text)
        values = tuple(sorted(carried.values.items()))
        return State(
            cost, reached, values, state.known | results, (*state.entries, Entry(index, carried.text))
        )

    def _reached(
        self, done: frozenset[int], results: Collection[Fraction], known: Collection[Fraction] = ()
    ) -> frozenset[int]:
        """`done` and the items that `results` derive: one result at least is new, and the needs are met."""
        for item in self.plan.items:
            derived = not item.values.isdisjoint(results) and item.values <= {*results, *known}
            if derived and item.needs <= done:
                done |= {item.index}
        return done

    def _sourced(self, number: Number, known: frozenset[Fraction] | set[Fraction]) -> bool:
        if number.value in known or number.value == 1:
            return True
        return bool(number.parts) and all(part.value in known for part in number.parts)

    def _available(self, state: State) -> list[PlanItem]:
        """Plan items that are not derived yet and whose needs are."""
        items = [item for item in self.plan.items if item.index not in state.done]
        return [item for item in items if item.needs <= state.done][:CHOICES]

    def _inserted(self, state: State) -> State | None:
        for item in self._available(state)[:1]:
            text = self._line(item, len(state.entries))
            entry = Entry(None, text, True, "reference")
            return self._with(state, entry, state.cost + len(text), item, state.values)
        return None

    def _with(
        self,
        state: State,
        entry: Entry,
        cost: float,
        item: PlanItem,
        values: Values,
    ) -> State:
        known = state.known | item.values
        return State(cost, state.done | {item.index}, values, known, (*state.entries, entry))

    def _grafted(
        self, state: State, index: int, carried: Carried, equation: Equation, item: PlanItem
    ) -> State:
        """The plan item's derivation inside the student's sentence."""
        old = equation.result.value
        values = dict(carried.values)
        if old is not None and old != item.result:
            values[old] = item.result
        said = {**misread(equation, item, state.known), **values}
        text = self.voice.grafted(carried.text, equation, item, said)
        cost = state.cost + _difference(self.trajectory.steps[index].text, text)
        entry = Entry(index, text)
        return self._with(state, entry, cost, item, tuple(sorted(values.items())))

    def _end(self, state: State) -> Iterator[State]:
        """The state with what is still missing put behind it."""
        missing = [item for item in self.plan.items if item.index not in state.done]
        if missing and state.entries and answer_phrase(state.entries[-1].text or ""):
            return
        cost, entries = state.cost, list(state.entries)
        for item in missing:
            text = self._line(item, len(entries))
            entries.append(Entry(None, text, True, "reference"))
            cost += len(text)
        closing = self.voice.closing(self.plan.answer, entries, self.trajectory)
        if closing:
            entries.append(Entry(None, closing, True, "rules"))
            cost += len(closing)
        yield State(cost, frozenset(range(len(self.plan.items))), (), state.known, tuple(entries))


def _cheapest(states: Sequence[State]) -> list[State]:
    """The `WIDTH` cheapest states, one for each thing done and each last line."""
    best: dict[tuple[frozenset[int], tuple[str | None, ...]], State] = {}
    for state in sorted(states, key=lambda state: state.cost):
        key = state.done, tuple(entry.text for entry in state.entries[-2:])
        best.setdefault(key, state)
    return list(best.values())[:WIDTH]


def _outside(text: str, equations: Sequence[Equation]) -> list[Number]:
    return [n for n in find_numbers(text) if not any(e.span.overlaps(n.span) for e in equations)]


def _difference(old: str, new: str) -> float:
    """Characters of the white-space separated tokens that the two do not share."""
    if old == new:
        return 0.0
    before, after = old.split(), new.split()
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    changed = before[start : len(before) - end] + after[start : len(after) - end]
    return float(sum(map(len, changed)) + 1)
