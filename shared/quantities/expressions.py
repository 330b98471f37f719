"""Arithmetic as written: a tree over exact numbers, and its exact value.

The grammar reads what solutions of word problems and LaTeX hold: ``16 eggs - 3 eggs``, ``$2/egg * 9 eggs``,
``12% of 50``, ``(3)(4)``, ``\\frac{24}{3}``, ``2^5``. Anything with a variable is not arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from shared.domain import Span
from shared.quantities.tokens import Kind, Token, scan
from shared.quantities.words import FUNCTION_WORDS, PHRASE_WORDS

MAX_EXPONENT = 64
MAX_BITS = 4096
MAX_DEPTH = 16
MAX_UNIT_WORDS = 5
MAX_REMARK = 9
MAX_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Expression:
    """A leaf (`op` is empty, `value` set) or an operation on `children`.

    Attributes:
        span: in the text that was parsed.
        op: one of ``+ - * / ^`` (two children), ``neg sqrt !`` (one), ``C`` (binomial, two); empty for a
            leaf.
        value: of a leaf, unsigned; None for an operation.
        children: operands in written order.
        loose: whether another reading of the operation is plausible (a spaced bracket as a product, a
            percentage added to an amount), so that a wrong value proves nothing.
        form: of a leaf: ``digits``, ``word`` or ``percent``.
        decimals: of a leaf: digits written behind the point.
    """

    span: Span
    op: str = ""
    value: Fraction | None = None
    children: tuple[Expression, ...] = ()
    loose: bool = False
    form: str = ""
    decimals: int = 0

    @property
    def is_leaf(self) -> bool:
        """A single number, signed or not."""
        return not self.op or (self.op == "neg" and self.children[0].is_leaf)

    def leaves(self) -> Iterator[Expression]:
        """The numbers, left to right."""
        if not self.op:
            yield self
        for child in self.children:
            yield from child.leaves()

    def operations(self) -> Iterator[Expression]:
        """Every sub-expression with an operation (signs excluded), outermost first."""
        if self.op and not self.is_leaf:
            if self.op != "neg":
                yield self
            for child in self.children:
                yield from child.operations()


def parse_expression(text: str, start: int = 0) -> Expression | None:
    """The longest arithmetic expression of `text` that begins at or right after `start`; None if none."""
    tokens = [token for token in scan(text) if token.start >= start]
    found = parse_tokens(tokens, 0, len(tokens))
    return found[0] if found else None


def parse_tokens(tokens: Sequence[Token], start: int, stop: int) -> tuple[Expression, int] | None:
    """The longest expression in ``tokens[start:stop]`` from `start`, and the index behind it."""
    parser = _Parser(tokens, start, min(stop, start + MAX_TOKENS))
    tree = parser.sum(0)
    return (tree, parser.index) if tree else None


def units_length(tokens: Sequence[Token], start: int, stop: int) -> int:
    """How many of ``tokens[start:stop]`` are unit words, counted from `start`."""
    return _Parser(tokens, start, stop).past_units()


def evaluate(expression: Expression) -> Fraction | None:
    """Exact value; None for a division by zero, an inexact root or a number of more than 4,096 bits."""
    if not expression.op:
        return expression.value
    values = [evaluate(child) for child in expression.children]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    result = _OPERATIONS[expression.op](*known)
    too_long = (
        result is not None and result.numerator.bit_length() + result.denominator.bit_length() > MAX_BITS
    )
    return None if too_long else result


def _divide(left: Fraction, right: Fraction) -> Fraction | None:
    return left / right if right else None


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator == 2 and exponent.numerator == 1:
        return _root(base)
    bits = base.numerator.bit_length() + base.denominator.bit_length()
    small = exponent.denominator == 1 and abs(exponent) <= MAX_EXPONENT and bits <= 64
    if not small or (base == 0 and exponent <= 0):
        return None
    return base**exponent.numerator


def _root(value: Fraction) -> Fraction | None:
    if value < 0 or value.numerator.bit_length() > 512 or value.denominator.bit_length() > 512:
        return None
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    return root if root * root == value else None


def _factorial(value: Fraction) -> Fraction | None:
    return Fraction(math.factorial(value.numerator)) if value.denominator == 1 and 0 <= value <= 40 else None


def _choose(top: Fraction, bottom: Fraction) -> Fraction | None:
    whole = top.denominator == bottom.denominator == 1 and 0 <= bottom <= top <= 200
    return Fraction(math.comb(top.numerator, bottom.numerator)) if whole else None


_OPERATIONS: dict[str, Callable[..., Fraction | None]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
    "^": _power,
    "neg": lambda value: -value,
    "sqrt": _root,
    "!": _factorial,
    "C": _choose,
}
_Operand = Callable[[int], Expression | None]
_PAIRS = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}


class _Parser:
    """Precedence climbing over tokens; `index` is the first token not consumed."""

    def __init__(self, tokens: Sequence[Token], index: int, stop: int) -> None:
        self.tokens = tokens
        self.index = index
        self.stop = min(stop, len(tokens))

    def peek(self, offset: int = 0) -> Token | None:
        place = self.index + offset
        return self.tokens[place] if place < self.stop else None

    def sum(self, depth: int) -> Expression | None:
        return self._chain(depth, "+-", self.product)

    def product(self, depth: int) -> Expression | None:
        left = self.factor(depth)
        while left is not None:
            found = self._multiplied(left, depth)
            if found is None:
                return left
            left = found
        return None

    def _chain(self, depth: int, signs: str, operand: _Operand) -> Expression | None:
        left = operand(depth)
        while left is not None:
            mark = self.index
            sign = self._sign(signs)
            right = operand(depth) if sign else None
            if right is None:
                self.index = mark
                return left
            left = _joined(sign, left, right)
        return None

    def _sign(self, signs: str) -> str:
        """Consumes unit words and the operator behind them, if that operator is one of `signs`."""
        ahead = self.past_units()
        token = self.peek(ahead)
        if token is None or token.kind is not Kind.OPERATOR or token.text not in signs:
            return ""
        self.index += ahead + 1
        return token.text

    def _multiplied(self, left: Expression, depth: int) -> Expression | None:
        mark = self.index
        sign = self._sign("*/") or ("*" if self._takes_of(left) else "")
        if sign:
            right = self._tight_fraction(depth) if sign == "/" else self.factor(depth)
            if right is not None:
                return _joined(sign, left, right)
            self.index = mark
            return None
        token = self.peek()
        if token is None or token.kind is not Kind.OPEN or token.text not in "([":
            return None
        right = self.factor(depth)
        if right is None:
            self.index = mark
            return None
        return _joined("*", left, right, loose=token.spaced)

    def _takes_of(self, left: Expression) -> bool:
        """Whether ``of`` follows a share: 12% of 50, half of the 68."""
        token = self.peek()
        share = left.form == "percent" or left.op == "/" or _is_word_for_a_share(left)
        if token is None or token.text != "of" or not share:
            return False
        for ahead in range(1, 4):
            following = self.peek(ahead)
            if following is None or following.kind not in (Kind.NUMBER, Kind.WORD):
                return False
            if following.kind is Kind.NUMBER:
                self.index += ahead
                return True
        return False

    def _tight_fraction(self, depth: int) -> Expression | None:
        """The divisor; ``6 / 3/4`` divides by the fraction that is written without spaces."""
        top = self.factor(depth)
        slash, bottom = self.peek(), self.peek(1)
        if top is None or not top.is_leaf or slash is None or slash.text != "/" or slash.spaced:
            return top
        divisor_stands_apart = (
            self.tokens[self.index - 2].kind is Kind.OPERATOR and self.tokens[self.index - 2].spaced
        )
        if not divisor_stands_apart or bottom is None or bottom.kind is not Kind.NUMBER or bottom.spaced:
            return top
        self.index += 2
        return _joined("/", top, _leaf(bottom))

    def factor(self, depth: int) -> Expression | None:
        token = self.peek()
        if token is None or depth > MAX_DEPTH:
            return None
        if token.kind is Kind.NOTE:
            self.index += 1
            return self.factor(depth)
        if token.kind is Kind.OPERATOR and token.text in "+-":
            return self._signed(token, depth)
        return self._powered(depth)

    def _signed(self, token: Token, depth: int) -> Expression | None:
        mark = self.index
        self.index += 1
        child = self.factor(depth + 1)
        if child is None:
            self.index = mark
            return None
        span = Span(token.start, child.span.end)
        return child if token.text == "+" else Expression(span, "neg", None, (child,), child.loose)

    def _powered(self, depth: int) -> Expression | None:
        base = self.primary(depth)
        token = self.peek()
        while base is not None and token is not None and token.kind is Kind.OPERATOR and token.text == "!":
            self.index += 1
            base = Expression(Span(base.span.start, token.end), "!", None, (base,), base.loose)
            token = self.peek()
        if base is None or token is None or token.kind is not Kind.OPERATOR or token.text != "^":
            return base
        mark = self.index
        self.index += 1
        exponent = self.factor(depth + 1)
        if exponent is None:
            self.index = mark
            return base
        return _joined("^", base, exponent)

    def primary(self, depth: int) -> Expression | None:
        token = self.peek()
        if token is None:
            return None
        if token.kind is Kind.NUMBER:
            self.index += 1
            return self._mixed(_leaf(token))
        if token.kind is Kind.OPEN:
            return self._group(depth)
        return self._command(token, depth) if token.kind is Kind.COMMAND else None

    def _mixed(self, whole: Expression) -> Expression:
        """``2 1/2`` and ``2\\frac{1}{2}`` are two and a half."""
        top, slash, bottom = self.peek(), self.peek(1), self.peek(2)
        if not (top and slash and bottom) or top.kind is not Kind.NUMBER or slash.text != "/":
            return whole
        written = bottom.kind is Kind.NUMBER and not slash.spaced and not bottom.spaced and top.spaced
        if not written or not top.value or not bottom.value or top.value >= bottom.value or whole.decimals:
            return whole
        self.index += 3
        value = (whole.value or Fraction(0)) + top.value / bottom.value
        return Expression(Span(whole.span.start, bottom.end), "", value, (), False, "digits")

    def _group(self, depth: int) -> Expression | None:
        opening = self.tokens[self.index]
        mark = self.index
        self.index += 1
        inner = self.sum(depth + 1)
        closing = self._closing()
        if inner is None or closing is None or closing.text != _PAIRS.get(opening.text):
            self.index = mark
            return None
        span = Span(opening.start, closing.end)
        return Expression(
            span, inner.op, inner.value, inner.children, inner.loose, inner.form, inner.decimals
        )

    def _closing(self) -> Token | None:
        ahead = self.past_units()
        token = self.peek(ahead)
        if token is None or token.kind is not Kind.CLOSE:
            return None
        self.index += ahead + 1
        return token

    def _command(self, token: Token, depth: int) -> Expression | None:
        mark = self.index
        self.index += 1
        count = 1 if token.text == "sqrt" else 2
        children = [self._argument(depth + 1) for _ in range(count)]
        operands = tuple(child for child in children if child is not None)
        if len(operands) < count:
            self.index = mark
            return None
        op = {"frac": "/", "binom": "C", "sqrt": "sqrt"}[token.text]
        loose = any(operand.loose for operand in operands)
        return Expression(Span(token.start, operands[-1].span.end), op, None, operands, loose)

    def _argument(self, depth: int) -> Expression | None:
        """A braced argument; ``\\frac34`` is left unread."""
        token = self.peek()
        braced = token is not None and token.kind is Kind.OPEN and token.text == "{"
        return self._group(depth) if braced and depth <= MAX_DEPTH else None

    def past_units(self) -> int:
        """How many tokens ahead are unit words: ``eggs``, ``dollars/hour``, ``hours in a day``."""
        ahead, words, token = 0, 0, self.peek()
        while token is not None and words <= MAX_UNIT_WORDS:
            remark = self._remark(ahead)
            phrase = words > 0 and token.text in PHRASE_WORDS
            if remark:
                ahead += remark
            elif token.kind is Kind.WORD and (phrase or token.text not in FUNCTION_WORDS):
                words += 1
                ahead += 1
            elif _is_per(token, self.peek(ahead + 1)):
                ahead += 1
            else:
                break
            token = self.peek(ahead)
        return ahead

    def _remark(self, ahead: int) -> int:
        """Length of a bracket at `ahead` that holds words only; 0 where there is none."""
        token = self.peek(ahead)
        if token is None or token.kind is not Kind.OPEN:
            return 0
        for length in range(2, MAX_REMARK):
            inner = self.peek(ahead + length - 1)
            if inner is None or inner.kind not in (Kind.WORD, Kind.CLOSE):
                return 0
            if inner.kind is Kind.CLOSE:
                return length if length > 2 else 0
        return 0


def _is_word_for_a_share(left: Expression) -> bool:
    """``half``, ``two thirds``; ``two of them`` takes no part of anything."""
    return left.form == "word" and left.value is not None and left.value < 1


def _is_per(token: Token, following: Token | None) -> bool:
    """The slash of ``miles/hour``."""
    return token.text == "/" and following is not None and following.kind is Kind.WORD


def _leaf(token: Token) -> Expression:
    point = token.text.rfind(".")
    decimals = len(token.text) - point - 1 if point >= 0 and token.form == "digits" else 0
    return Expression(Span(token.start, token.end), "", token.value, (), False, token.form, decimals)


def _joined(sign: str, left: Expression, right: Expression, loose: bool = False) -> Expression:
    percent_added = sign in "+-" and (left.form == "percent") != (right.form == "percent")
    unclear = loose or left.loose or right.loose or percent_added
    return Expression(Span(left.span.start, right.span.end), sign, None, (left, right), unclear)
