"""Equations between numbers as they stand in a text, and whether they are true.

``16-3-4=<<16-3-4=9>>9``, ``2 * 3 = 6 = 6``, ``\\[ 6 \\times 5 = 30 \\]``. A line with a variable (2x + 3 = 7)
is algebra: it is never an equation here, hence never false.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from shared.domain import Span
from shared.quantities.expressions import MAX_TOKENS, Expression, evaluate, parse_tokens, units_length
from shared.quantities.tokens import Kind, Token, scan
from shared.quantities.words import FUNCTION_WORDS, singular

_UNIT_RATIOS = (100, 1000, 10, 60, 24, 7, 12, 3, 16, 52, 365, 3600, 5280, 1760, 2000)
_RATIOS = frozenset(Fraction(n) for n in _UNIT_RATIOS) | frozenset(Fraction(1, n) for n in _UNIT_RATIOS)
MAX_REMEMBERED = 4096
"""Longer texts are read anew each time."""


@dataclass(frozen=True, slots=True)
class Result:
    """What stands behind one equals sign.

    Attributes:
        span: of the number or expression.
        value: its exact value; None where it has none (a division by zero).
        expression: the tree as written; a leaf where a single number stands there.
        approx: whether the sign before it is an approximate one.
        unit: the noun behind it, lower-case singular.
    """

    span: Span
    value: Fraction | None
    expression: Expression
    approx: bool
    unit: str | None


@dataclass(frozen=True, slots=True)
class Equation:
    """``left = right[0] = right[1] ...``; at least one side holds an operation.

    Attributes:
        span: from the first operand to the last result, notes included.
        left: what stands before the first equals sign.
        right: at least one result.
        note: span of a calculator note ``<<16-3=13>>`` inside, or None.
        approx: whether any sign is an approximate one.
    """

    span: Span
    left: Expression
    right: tuple[Result, ...]
    note: Span | None
    approx: bool

    @property
    def result(self) -> Result:
        """The last value of the chain that is written as a single number, else the last one."""
        written = [result for result in self.right if result.expression.is_leaf]
        return written[-1] if written else self.right[-1]

    @property
    def derivation(self) -> Expression:
        """The first side that holds an operation."""
        sides = (self.left, *(result.expression for result in self.right))
        return next((side for side in sides if not side.is_leaf), self.left)


@dataclass(frozen=True, slots=True)
class Link:
    """One claim of an equation: the value of `expression` is `result`.

    `holds` is None where another plausible reading would make it true. `expected` is the exact value.
    """

    expression: Expression
    result: Result
    holds: bool | None
    expected: Fraction


def find_equations(text: str) -> tuple[Equation, ...]:
    """All arithmetic equations of `text`, in order; calculator notes that stand alone included."""
    return _remembered(text) if len(text) <= MAX_REMEMBERED else _find(text)


@lru_cache(maxsize=512)
def _remembered(text: str) -> tuple[Equation, ...]:
    return _find(text)


def _find(text: str) -> tuple[Equation, ...]:
    tokens = scan(text)
    found = list(_chained(_sided(tokens), tokens))
    covered = {equation.note for equation in found if equation.note}
    for place, token in enumerate(tokens):
        if token.kind is Kind.NOTE and Span(token.start, token.end) not in covered:
            found += _inside(tokens, place)
    return tuple(sorted(found, key=lambda equation: equation.span))


def find_assignments(text: str) -> tuple[Result, ...]:
    """Operations that are named but not worked out there: ``x = 80 / 4.``, ``Left = 10,000 - 6,000``."""
    tokens = scan(text)
    sides = _sided(tokens)
    shared = {side.left.span for side in sides if side.left is not None}
    return tuple(
        _result(side, tokens)
        for side in sides
        if side.left is None and side.right is not None and not side.right.is_leaf
        if side.right.span not in shared
    )


def links(equation: Equation) -> tuple[Link, ...]:
    """Every neighbouring pair of sides as a claim, left to right; sides without a value are left out."""
    made = []
    side: Expression = equation.left
    for result in equation.right:
        value = evaluate(side)
        if value is not None and result.value is not None:
            made.append(Link(side, result, _holds(side, value, result), value))
        side = result.expression
    return tuple(made)


def is_true(equation: Equation) -> bool:
    """Whether no claim of the equation is plainly false and at least one can be computed."""
    claims = links(equation)
    return bool(claims) and all(claim.holds is not False for claim in claims)


def agrees(value: Fraction, written: Expression, approx: bool = False) -> bool:
    """Whether `written` (a number) is `value`, exactly or as a decimal rounded or cut to its last digit.

    A whole number counts as rounded only where it is within half a per cent; after an approximate sign,
    within half a unit.
    """
    stated = evaluate(written)
    if stated is None:
        return False
    gap = abs(value - stated)
    if gap == 0:
        return True
    unit = _last_digit(written)
    if approx:
        return gap <= max(unit, abs(value) / 100)
    if any(leaf.decimals for leaf in written.leaves()):
        return gap < unit
    return gap <= unit / 2 and gap * 200 <= abs(value)


def _last_digit(written: Expression) -> Fraction:
    """What one unit of the last written digit is worth."""
    leaf = next(written.leaves())
    return Fraction(1, 10 ** (leaf.decimals + (2 if leaf.form == "percent" else 0)))


def _holds(side: Expression, value: Fraction, result: Result) -> bool | None:
    written = result.expression
    target = evaluate(written)
    if target is not None and _equal(value, side, target, written, result.approx):
        return True
    if target is not None and _percent_reading(side, value, written, target):
        return True
    if result.unit in ("remainder", "r") and target == value.__floor__():
        return True
    if side.is_leaf and written.is_leaf and _rescales(value, target):
        return None
    return None if side.loose or written.loose else False


def _rescales(value: Fraction, target: Fraction | None) -> bool:
    """Whether two plain numbers can be one quantity in two units ($0.90 = 90 cents)."""
    return bool(value and target) and value / (target or 1) in _RATIOS


def _equal(value: Fraction, side: Expression, target: Fraction, written: Expression, approx: bool) -> bool:
    if value == target:
        return True
    if side.is_leaf and not written.is_leaf:
        return agrees(target, side, approx) or _near(value, target, side, written)
    return (written.is_leaf and agrees(value, written, approx)) or _near(value, target, side, written)


def _near(value: Fraction, target: Fraction, side: Expression, written: Expression) -> bool:
    """Whether the two differ by no more than the rounded decimals that they are built from explain."""
    decimals = [leaf.decimals for leaf in (*side.leaves(), *written.leaves())]
    return max(decimals) >= 2 and abs(value - target) * 1000 <= max(abs(value), abs(target))


def _percent_reading(side: Expression, value: Fraction, written: Expression, target: Fraction) -> bool:
    """``100% - 20% = 80``, ``3/4 * 100 = 75%``, ``3/4 = 75`` per cent: the sign may be carried or dropped."""
    percents = [leaf.form == "percent" for leaf in side.leaves()]
    target_percent = any(leaf.form == "percent" for leaf in written.leaves())
    if any(percents) == target_percent:
        return False
    scaled = value / 100 if target_percent else value * 100
    gap = abs(scaled - target)
    rounded = written.is_leaf and 2 * gap <= _last_digit(written)
    return rounded or gap * 200 <= abs(target)


@dataclass(frozen=True, slots=True)
class _Sided:
    """An equals sign with the operands next to it: token ranges are half-open."""

    sign: int
    left: Expression | None
    left_from: int
    right: Expression | None
    right_to: int
    note: Span | None


def _sided(tokens: Sequence[Token]) -> list[_Sided]:
    """Every equals sign with what can be read on its two sides."""
    signs = [place for place, token in enumerate(tokens) if token.kind is Kind.EQUAL]
    made = []
    for number, sign in enumerate(signs):
        floor = signs[number - 1] + 1 if number else 0
        ceiling = signs[number + 1] if number + 1 < len(signs) else len(tokens)
        left, left_from = _left_of(tokens, floor, sign) or (None, sign)
        right, right_to = _right_of(tokens, sign + 1, ceiling) or (None, sign)
        notes = [t for t in tokens[sign + 1 : min(sign + 4, ceiling)] if t.kind is Kind.NOTE]
        note = Span(notes[0].start, notes[0].end) if notes else None
        made.append(_Sided(sign, left, left_from, right, right_to, note))
    return made


def _left_of(tokens: Sequence[Token], floor: int, sign: int) -> tuple[Expression, int] | None:
    """The expression that ends at the equals sign, and where it begins."""
    stop = sign
    while stop > floor and tokens[stop - 1].kind in (Kind.LINE, Kind.NOTE):
        stop -= 1
    place = _window(tokens, floor, stop)
    while place < stop:
        if not _may_begin(tokens[place]):
            place += 1
            continue
        found = parse_tokens(tokens, place, stop)
        if found is None:
            place += 1
            continue
        end = _past_words(tokens, found[1], stop)
        if end == stop:
            label = found[0].is_leaf and (end > found[1] or _is_label(tokens, place, floor))
            return (found[0], place) if not label and _stands_free(tokens, place, floor) else None
        place = found[1]
    return None


def _window(tokens: Sequence[Token], floor: int, stop: int) -> int:
    """Where to begin looking: behind the last break, at most `MAX_TOKENS` back."""
    place = stop
    while place > max(floor, stop - MAX_TOKENS) and tokens[place - 1].kind is not Kind.BREAK:
        if tokens[place - 1].kind is Kind.LINE and not _continues(tokens, place):
            break
        place -= 1
    return place


def _continues(tokens: Sequence[Token], place: int) -> bool:
    """Whether the line that begins at `place` goes on with the one above."""
    operators = (Kind.OPERATOR, Kind.EQUAL)
    here = place < len(tokens) and tokens[place].kind in operators
    return here or (place >= 2 and tokens[place - 2].kind in operators)


def _may_begin(token: Token) -> bool:
    signed = token.kind is Kind.OPERATOR and token.text in "+-"
    return signed or token.kind in (Kind.NUMBER, Kind.OPEN, Kind.COMMAND)


def _stands_free(tokens: Sequence[Token], place: int, floor: int) -> bool:
    """Whether nothing that belongs to the expression stands before it (a variable, an operator)."""
    if place <= floor:
        return True
    before, first = tokens[place - 1], tokens[place]
    if before.kind in (Kind.OPERATOR, Kind.VARIABLE, Kind.COMMAND, Kind.CLOSE):
        return False
    if before.kind is Kind.WORD and before.text == "of" and place - 2 >= floor:
        return tokens[place - 2].kind not in (Kind.NUMBER, Kind.VARIABLE)
    if first.kind is Kind.OPERATOR:
        return before.kind not in (Kind.WORD, Kind.NUMBER)
    return before.kind is not Kind.NUMBER


def _is_label(tokens: Sequence[Token], place: int, floor: int) -> bool:
    """Whether a lone number before an equals sign names something: ``Day 1 =``, ``one =``."""
    named = place > floor and tokens[place - 1].kind is Kind.WORD
    return tokens[place].form == "word" or (named and tokens[place - 1].text not in FUNCTION_WORDS)


def _past_words(tokens: Sequence[Token], place: int, stop: int) -> int:
    """Skips unit words (``3 + 4 eggs =``)."""
    return place + units_length(tokens, place, stop)


def _right_of(tokens: Sequence[Token], start: int, ceiling: int) -> tuple[Expression, int] | None:
    """The expression behind the equals sign, and where it ends."""
    while start < ceiling and tokens[start].kind in (Kind.LINE, Kind.NOTE):
        start += 1
    found = parse_tokens(tokens, start, ceiling)
    if found is None:
        return None
    tree, end = found
    return (tree, end) if _ends_free(tokens, end) else None


def _ends_free(tokens: Sequence[Token], end: int) -> bool:
    """Whether nothing behind belongs to the expression: no variable, no operator, no modulus."""
    if end >= len(tokens):
        return True
    token = tokens[end]
    following = tokens[end + 1] if end + 1 < len(tokens) else None
    if token.text == "." and following is not None and following.text in ("overline", "bar", "dot"):
        return False
    if token.kind is Kind.OPERATOR:
        dash = token.text == "-" and token.spaced and following is not None and following.kind is Kind.WORD
        return dash and following is not None and following.spaced
    if token.kind is Kind.OPEN and following is not None:
        return token.spaced and following.text != "mod" and following.kind is not Kind.VARIABLE
    return token.kind not in (Kind.VARIABLE, Kind.COMMAND) and token.text != "mod"


def _chained(sides: Sequence[_Sided], tokens: Sequence[Token]) -> Iterator[Equation]:
    """Joins neighbouring signs that share an operand; drops what has no operation."""
    run: list[_Sided] = []
    for side in sides:
        if run and not _shares(run[-1], side, tokens):
            yield from _equation(run, tokens)
            run = []
        if side.right is None or (side.left is None and not run):
            yield from _equation(run, tokens)
            run = []
        else:
            run.append(side)
    yield from _equation(run, tokens)


def _shares(first: _Sided, second: _Sided, tokens: Sequence[Token]) -> bool:
    if first.right is None or second.left is None:
        return False
    return first.right.span == second.left.span


def _equation(run: Sequence[_Sided], tokens: Sequence[Token]) -> Iterator[Equation]:
    if not run or run[0].left is None:
        return
    results = tuple(_result(side, tokens) for side in run if side.right is not None)
    left = run[0].left
    if left.is_leaf and all(result.expression.is_leaf for result in results):
        return
    note = next((side.note for side in run if side.note), None)
    span = Span(left.span.start, results[-1].span.end)
    yield Equation(span, left, results, note, any(result.approx for result in results))


def _result(side: _Sided, tokens: Sequence[Token]) -> Result:
    tree = side.right
    assert tree is not None
    approx = tokens[side.sign].text == "≈"
    behind = tokens[side.right_to : side.right_to + 4]
    leaves_rest = any(token.text.startswith("remainder") for token in behind)
    unit = "remainder" if leaves_rest else unit_at(tokens, side.right_to)
    return Result(tree.span, evaluate(tree), tree, approx, unit)


def unit_at(tokens: Sequence[Token], place: int) -> str | None:
    """The noun that begins at token `place`: the last of up to two words that are no function words."""
    words = []
    for token in tokens[place : place + 2]:
        if token.kind is not Kind.WORD or token.text in FUNCTION_WORDS:
            break
        words.append(token.text)
    return singular(words[0]) if words else None


def _inside(tokens: Sequence[Token], at: int) -> Iterator[Equation]:
    """The equation of a calculator note for which none was read outside, with the number behind it."""
    note = tokens[at]
    inner = scan(note.text[2:-2])
    moved = [t._replace(start=t.start + note.start + 2, end=t.end + note.start + 2) for t in inner]
    place = at + 1
    for equation in _chained(_sided(moved), moved):
        results = list(equation.right)
        behind = parse_tokens(tokens, place, min(place + 1, len(tokens)))
        if behind and behind[0].is_leaf:
            tree = behind[0]
            results.append(Result(tree.span, evaluate(tree), tree, False, unit_at(tokens, behind[1])))
        span = Span(note.start, results[-1].span.end if behind else note.end)
        yield Equation(span, equation.left, tuple(results), Span(note.start, note.end), False)
