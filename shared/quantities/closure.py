"""Values that are also right where a reference solution derives its own: regroupings and rescalings.

A solution that takes 16 - 7 where the reference takes 16 - 3 - 4 is right as well, and meets 7 and 12 and
13 on its way. Everything here is bounded: at most `MAX_TERMS` terms of one sum or factors of one product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

from shared.quantities.derivations import Derivation
from shared.quantities.expressions import Expression, evaluate

MAX_TERMS = 6
MAX_NODES = 60
RESCALINGS = tuple(
    Fraction(value) for value in (100, 1000, 10, 60, 24, 7, 12, 3, 16, 2, 52, 30, 365, 3600, 4)
)
"""Factors between units of one quantity: per cent and cents, metric, time, calendar, feet, pounds."""


def inlined(derivations: Sequence[Derivation]) -> tuple[Expression, ...]:
    """Each derivation with its operands replaced by the expressions that gave them, where there are any.

    The tree stops growing at `MAX_NODES` leaves.
    """
    known: dict[Fraction, Expression] = {}
    grown = []
    for derivation in derivations:
        tree = _grown(derivation.expression, known)
        tree = tree if sum(1 for _ in tree.leaves()) <= MAX_NODES else derivation.expression
        grown.append(tree)
        if derivation.result not in derivation.operands:
            known.setdefault(derivation.result, tree)
    return tuple(grown)


def regroupings(expressions: Iterable[Expression]) -> frozenset[Fraction]:
    """Values that appear when sums and products of `expressions` are done in another order (absolute)."""
    values: set[Fraction] = set()
    for expression in expressions:
        for node in (expression, *expression.operations()):
            values.update(abs(value) for value in _node_values(node))
    return frozenset(values)


def rescaled(values: Iterable[Fraction]) -> frozenset[Fraction]:
    """Each value in other units: times and over each of `RESCALINGS`."""
    found: set[Fraction] = set()
    for value in values:
        for factor in RESCALINGS:
            found.add(value * factor)
            found.add(value / factor)
    return frozenset(found)


def _grown(expression: Expression, known: dict[Fraction, Expression]) -> Expression:
    if not expression.op:
        return known.get(expression.value or Fraction(0), expression)
    return replace(expression, children=tuple(_grown(child, known) for child in expression.children))


def _node_values(node: Expression) -> Iterator[Fraction]:
    value = evaluate(node)
    if value is not None:
        yield value
    if node.op in ("+", "-"):
        yield from _subset_sums(node)
        yield from _factored(node)
    elif node.op in ("*", "/"):
        yield from _subset_products(node)
        yield from _expanded(node)


def _subset_sums(node: Expression) -> Iterator[Fraction]:
    terms = [value for value in _terms(node, 1) if value is not None]
    for size in range(2, len(terms) + 1) if len(terms) <= MAX_TERMS else ():
        for chosen in combinations(terms, size):
            yield sum(chosen, Fraction(0))


def _terms(node: Expression, sign: int) -> list[Fraction | None]:
    """Signed values of the terms of a nested sum."""
    if node.op == "neg":
        return _terms(node.children[0], -sign)
    if node.op in ("+", "-"):
        left, right = node.children
        return _terms(left, sign) + _terms(right, sign if node.op == "+" else -sign)
    value = evaluate(node)
    return [None if value is None else sign * value]


def _subset_products(node: Expression) -> Iterator[Fraction]:
    factors = [value for value in _factors(node, 1) if value]
    for size in range(2, len(factors) + 1) if len(factors) <= MAX_TERMS else ():
        for chosen in combinations(factors, size):
            product = Fraction(1)
            for factor in chosen:
                product *= factor
            yield product


def _factors(node: Expression, power: int) -> list[Fraction | None]:
    """Values of the factors of a nested product; divisors inverted."""
    if node.op in ("*", "/"):
        left, right = node.children
        return _factors(left, power) + _factors(right, power if node.op == "*" else -power)
    value = evaluate(node)
    if not value:
        return [None]
    return [value if power == 1 else 1 / value]


def _factored(node: Expression) -> Iterator[Fraction]:
    """``a*b + a*c`` is also ``a * (b + c)``: the bracket; likewise ``a/d + b/d``."""
    products = [[factor for factor in _factors(term, 1) if factor] for term in _addends(node)]
    if not 2 <= len(products) <= MAX_TERMS:
        return
    for common in set(products[0]).intersection(*products[1:]):
        rest = Fraction(0)
        for factors in products:
            part = Fraction(1)
            for factor in factors:
                part *= factor
            rest += part / common
        yield rest


def _addends(node: Expression) -> list[Expression]:
    if node.op in ("+", "-"):
        return _addends(node.children[0]) + _addends(node.children[1])
    return [node]


def _expanded(node: Expression) -> Iterator[Fraction]:
    """``a * (b + c)`` is also ``a*b + a*c``: the products."""
    for place in (0, 1) if node.op == "*" else (0,):
        other = evaluate(node.children[1 - place])
        if other:
            factor = other if node.op == "*" else 1 / other
            for term in _terms(node.children[place], 1):
                if term is not None:
                    yield term * factor
