"""Exact numbers, expressions, equations and derivations in text; pure Python, `fractions.Fraction` only."""

from shared.quantities.constants import constants_called_by
from shared.quantities.derivations import Derivation, Statement, derivations, statements
from shared.quantities.equations import Equation, Link, Result, agrees, find_equations, is_true, links
from shared.quantities.expressions import Expression, evaluate, parse_expression
from shared.quantities.grounding import Ungrounded, ungrounded
from shared.quantities.numbers import Number, find_numbers
from shared.quantities.rendering import plain, render

__all__ = [
    "Derivation",
    "Equation",
    "Expression",
    "Link",
    "Number",
    "Result",
    "Statement",
    "Ungrounded",
    "agrees",
    "constants_called_by",
    "derivations",
    "evaluate",
    "find_equations",
    "find_numbers",
    "is_true",
    "links",
    "parse_expression",
    "plain",
    "render",
    "statements",
    "ungrounded",
]
