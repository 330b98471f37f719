"""Algebraic lines: do the two sides of a simplification agree, and do successive equations share their root?

Sides are compared numerically at a few fixed points, so this module only ever says that two expressions
*differ*; agreement is evidence, not proof. Texts with unknown functions or unfinished sums are left alone.
"""

from __future__ import annotations

import cmath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.domain import Span
from shared.quantities.tokens import Kind, Token, scan

MAX_DEPTH = 16
MAX_SIDE = 120
_POINTS = (1.3719, 2.2371, 0.6173)
_STRIDE = 0.2113
_TOLERANCE = 1e-7
_CONSTANTS: dict[str, complex] = {"pi": cmath.pi, "π": cmath.pi, "i": 1j}
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "ln": cmath.log,
    "exp": cmath.exp,
}
_GREEK = frozenset(
    ["alpha", "beta", "gamma", "delta", "theta", "phi", "lambda", "mu", "omega", "sigma", "tau"]
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}

_Value = Callable[[Mapping[str, complex]], complex]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an algebraic equation: where it stands, its variables, and how to compute it.

    `at` takes a value for each of `names` and returns the side's value; it raises ArithmeticError or
    ValueError where there is none. `atom` says whether the side is a single symbol or number, `plain`
    whether it is arithmetic on written numbers only.
    """

    span: Span
    names: frozenset[str]
    at: _Value
    atom: bool
    plain: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """``sides[0] = sides[1] = ...`` as written, at least two, at least one variable or constant symbol."""

    span: Span
    sides: tuple[Side, ...]


def relations(text: str) -> tuple[Relation, ...]:
    """All equations of `text` whose sides are algebra, in order; plain arithmetic is left out."""
    tokens = scan(text)
    return tuple(_joined(list(_pairs(tokens))))


def same(left: Side, right: Side) -> bool | None:
    """Whether two sides agree at all test points; None where they can't be computed."""
    names = sorted(left.names | right.names)
    verdicts = []
    for point in _POINTS:
        place = {name: complex(point + _STRIDE * rank) for rank, name in enumerate(names)}
        try:
            first, second = left.at(place), right.at(place)
        except (ArithmeticError, ValueError):
            continue
        size = max(1.0, abs(first), abs(second))
        verdicts.append(abs(first - second) <= _TOLERANCE * size)
    return all(verdicts) if verdicts else None


def root(relation: Relation) -> tuple[str, float] | None:
    """The variable and its value where the relation is a linear equation in one real variable."""
    left, right = relation.sides[0], relation.sides[-1]
    names = left.names | right.names
    if len(names) != 1 or len(relation.sides) != 2:
        return None
    name = next(iter(names))
    try:
        zero, one, two, three = (
            left.at({name: x}) - right.at({name: x}) for x in (0j, 1 + 0j, 2 + 0j, 3 + 0j)
        )
    except (ArithmeticError, ValueError):
        return None
    slope = one - zero
    bent = abs(two - 2 * one + zero) + abs(three - 2 * two + one)
    if abs(slope) < 1e-9 or bent > 1e-9 * (1 + abs(slope)) or abs(slope.imag) + abs(zero.imag) > 1e-9:
        return None
    return name, (-zero / slope).real


def _joined(pairs: Sequence[tuple[Side, Side]]) -> Iterator[Relation]:
    """Pairs that share a side become one relation."""
    run: list[Side] = []
    for left, right in pairs:
        if run and run[-1].span == left.span:
            run.append(right)
            continue
        yield from _relation(run)
        run = [left, right]
    yield from _relation(run)


def _relation(run: Sequence[Side]) -> Iterator[Relation]:
    if run and any(side.names or not side.atom for side in run):
        yield Relation(Span(run[0].span.start, run[-1].span.end), tuple(run))


def _pairs(tokens: Sequence[Token]) -> Iterator[tuple[Side, Side]]:
    signs = [place for place, token in enumerate(tokens) if token.kind is Kind.EQUAL and token.text == "="]
    for number, sign in enumerate(signs):
        floor = signs[number - 1] + 1 if number else 0
        ceiling = signs[number + 1] if number + 1 < len(signs) else len(tokens)
        left, right = _before(tokens, floor, sign), _behind(tokens, sign + 1, ceiling)
        if left and right:
            yield left, right


def _before(tokens: Sequence[Token], floor: int, sign: int) -> Side | None:
    while sign > floor and tokens[sign - 1].kind is Kind.LINE:
        sign -= 1
    start = sign
    while start > max(floor, sign - MAX_SIDE) and tokens[start - 1].kind not in _EDGES:
        start -= 1
    if start < sign and tokens[start].kind is Kind.OPERATOR and start > floor:
        return None
    reader = _Reader(tokens, start, sign)
    side = reader.side()
    return side if side and reader.index == sign else None


def _behind(tokens: Sequence[Token], start: int, ceiling: int) -> Side | None:
    while start < ceiling and tokens[start].kind is Kind.LINE:
        start += 1
    reader = _Reader(tokens, start, min(ceiling, start + MAX_SIDE))
    side = reader.side()
    if side is None:
        return None
    following = tokens[reader.index] if reader.index < len(tokens) else None
    closed = following is None or following.kind in (*_EDGES, Kind.EQUAL)
    return side if closed else None


_EDGES = (Kind.BREAK, Kind.LINE, Kind.WORD, Kind.EQUAL)


class _Reader:
    """Recursive descent over the tokens of one side; builds closures."""

    def __init__(self, tokens: Sequence[Token], index: int, stop: int) -> None:
        self.tokens = tokens
        self.index = index
        self.stop = min(stop, len(tokens))
        self.names: set[str] = set()

    def side(self) -> Side | None:
        first = self.index
        value = self._sum(0)
        if value is None:
            return None
        used = self.tokens[first : self.index]
        span = Span(used[0].start, used[-1].end)
        plain = not any(token.kind is Kind.VARIABLE or token.text == "sqrt" for token in used)
        return Side(span, frozenset(self.names), value, len(used) == 1, plain)

    def _peek(self) -> Token | None:
        return self.tokens[self.index] if self.index < self.stop else None

    def _takes(self, signs: str) -> str:
        token = self._peek()
        if token is None or token.kind is not Kind.OPERATOR or token.text not in signs:
            return ""
        self.index += 1
        return token.text

    def _sum(self, depth: int) -> _Value | None:
        value = self._product(depth)
        while value is not None and (sign := self._takes("+-")):
            right = self._product(depth)
            value = _combined(sign, value, right) if right else None
        return value

    def _product(self, depth: int) -> _Value | None:
        value = self._signed(depth)
        while value is not None:
            sign = self._takes("*/")
            right = self._signed(depth) if sign else self._adjacent(depth)
            if right is None:
                return None if sign else value
            value = _combined(sign or "*", value, right)
        return None

    def _adjacent(self, depth: int) -> _Value | None:
        """A factor that follows without a sign: ``2x``, ``3(x + 1)``."""
        token = self._peek()
        starts = (Kind.VARIABLE, Kind.OPEN, Kind.COMMAND)
        return self._power(depth) if token is not None and token.kind in starts else None

    def _signed(self, depth: int) -> _Value | None:
        sign = self._takes("+-")
        value = self._signed(depth + 1) if sign and depth <= MAX_DEPTH else self._power(depth)
        return _combined("*", _constant(-1), value) if value and sign == "-" else value

    def _power(self, depth: int) -> _Value | None:
        base = self._atom(depth)
        if base is None or not self._takes("^"):
            return base
        exponent = self._signed(depth + 1)
        return _combined("^", base, exponent) if exponent else None

    def _atom(self, depth: int) -> _Value | None:
        token = self._peek()
        if token is None or depth > MAX_DEPTH:
            return None
        if token.kind is Kind.NUMBER and token.value is not None and token.form == "digits":
            self.index += 1
            return _constant(_float(token))
        if token.kind is Kind.OPEN:
            return self._group(depth)
        if token.kind is Kind.COMMAND:
            return self._command(token.text, depth)
        return self._symbol(token, depth) if token.kind is Kind.VARIABLE else None

    def _group(self, depth: int) -> _Value | None:
        opening = self.tokens[self.index]
        self.index += 1
        value = self._sum(depth + 1)
        closing = self._peek()
        if value is None or closing is None or closing.text != _PAIRS.get(opening.text):
            return None
        self.index += 1
        return value

    def _braced(self, depth: int) -> _Value | None:
        token = self._peek()
        return self._group(depth + 1) if token is not None and token.text == "{" else None

    def _command(self, name: str, depth: int) -> _Value | None:
        self.index += 1
        first = self._braced(depth)
        if first is None or name == "binom":
            return None
        if name == "sqrt":
            return _applied(cmath.sqrt, first)
        second = self._braced(depth)
        return _combined("/", first, second) if second else None

    def _symbol(self, token: Token, depth: int) -> _Value | None:
        self.index += 1
        if token.text in _FUNCTIONS:
            argument = self._power(depth + 1)
            return _applied(_FUNCTIONS[token.text], argument) if argument else None
        if token.text in _CONSTANTS:
            return _constant(_CONSTANTS[token.text])
        if not (len(token.text) == 1 and token.text.isalpha()) and token.text not in _GREEK:
            return None
        following = self._peek()
        called = following is not None and following.text == "(" and not following.spaced
        if called and token.text in "fghpqPQFGN":
            return None
        return self._variable(token.text + self._subscript())

    def _subscript(self) -> str:
        token = self._peek()
        if token is None or token.text != "_" or self.index + 1 >= self.stop:
            return ""
        self.index += 2
        return "_" + self.tokens[self.index - 1].text

    def _variable(self, name: str) -> _Value:
        self.names.add(name)
        return lambda place: place[name]


def _constant(value: complex) -> _Value:
    return lambda place: value


def _float(token: Token) -> float:
    value = token.value
    try:
        return float(value) if value is not None else 0.0
    except OverflowError:
        return float("inf")


def _applied(function: Callable[[complex], complex], argument: _Value) -> _Value:
    return lambda place: function(argument(place))


def _combined(sign: str, left: _Value, right: _Value) -> _Value:
    if sign == "+":
        return lambda place: left(place) + right(place)
    if sign == "-":
        return lambda place: left(place) - right(place)
    if sign == "*":
        return lambda place: left(place) * right(place)
    if sign == "/":
        return lambda place: left(place) / right(place)
    return lambda place: left(place) ** right(place)
