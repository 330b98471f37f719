"""Expressions and numbers as people write them, for evidence."""

from __future__ import annotations

from fractions import Fraction

from shared.quantities.expressions import Expression


def render(expression: Expression) -> str:
    """The expression in plain characters, for evidence: ``12 * (3 + 4)``."""
    if not expression.op:
        shown = plain(expression.value or Fraction(0))
        return f"{plain((expression.value or Fraction(0)) * 100)}%" if expression.form == "percent" else shown
    parts = [_bracketed(child, expression, place) for place, child in enumerate(expression.children)]
    if expression.op == "neg":
        return "-" + parts[0]
    if expression.op == "sqrt":
        return f"sqrt({render(expression.children[0])})"
    if expression.op == "!":
        return parts[0] + "!"
    return f" {expression.op} ".join(parts)


def plain(value: Fraction) -> str:
    """A number as people write it: an integer, a short decimal, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    for digits in range(1, 7):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            return f"{'-' if scaled < 0 else ''}{_pointed(abs(scaled.numerator), digits)}"
    return f"{value.numerator}/{value.denominator}"


def _pointed(scaled: int, digits: int) -> str:
    whole, rest = divmod(scaled, 10**digits)
    return f"{whole}.{rest:0{digits}d}"


_RANK = {"+": 1, "-": 1, "neg": 2, "*": 3, "/": 3, "C": 3, "^": 4, "!": 5, "sqrt": 6, "": 7}


def _bracketed(child: Expression, parent: Expression, place: int) -> str:
    shown = render(child)
    weaker = _RANK[child.op] < _RANK[parent.op]
    ambiguous = place > 0 and parent.op in "-/" and _RANK[child.op] == _RANK[parent.op]
    return f"({shown})" if weaker or ambiguous else shown
