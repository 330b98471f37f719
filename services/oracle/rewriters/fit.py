"""Do a student's sentence and a line of the reference speak of the same thing?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from fractions import Fraction

from services.oracle.rewriters.announced import keeps_its_word, ordered, signs
from services.oracle.rewriters.plan import PlanItem, content_words, equation_of
from services.oracle.rewriters.typeset import currency_before
from shared.quantities.equations import Equation
from shared.quantities.grounding import unmarked_numbers
from shared.quantities.words import FUNCTION_WORDS

ENOUGH = 0.6
"""Share of the shorter text's content words that the other one has to hold too."""
ENOUGH_WITH_NOUN = 0.5
"""The same where both count the same noun."""
MOST_BARE_WORDS = 2
"""A sentence without content words is a bare equation if it has no more words than these."""

_CAPITALISED = re.compile(r"\b[A-Z][a-z]+")
_OPENERS = frozenset(
    {"first", "then", "next", "now", "finally", "thus", "hence", "therefore", "adding", "after", "before"}
    | {
        "each",
        "every",
        "altogether",
        "total",
        "together",
        "also",
        "similarly",
        "however",
        "given",
        "combining",
    }
    | {"multiplying", "dividing", "subtracting", "there", "during", "while", "step", "answer", "mr", "mrs"}
)
_PHRASE = re.compile(r"(?:[ ]?[^\W\d_]+){1,3}")
_WORD = re.compile(r"[^\W\d_]+")
_NUMERIC_EQUATION = re.compile(r"=")
_VARIABLE = re.compile(r"(?<![A-Za-z\\'’])(?:[b-hj-zB-HJ-Z]|\d[a-z])(?![A-Za-z'’])\s*(?:[-+*/=^)]|$)")


def fits(
    sentence: str,
    equation: Equation,
    item: PlanItem,
    known: Collection[Fraction] = frozenset(),
    problem: str = "",
) -> bool:
    """Whether the sentence around `equation` can carry the plan item's derivation instead.

    Money stays money, the counted noun stays the counted noun, somebody who is named in both is the same,
    an announced operation is the one that follows, no number is named that is calculated with no longer,
    and most content words are shared. Where the plan's line is a bare equation, its numbers speak for it;
    `known` are those that the problem gives or that were derived before; `problem` is its text.
    """
    ours = counted(sentence, equation)
    theirs = counted(item.line, equation_of(item.derivations[-1]))
    if ours and theirs and not ours & theirs:
        return False
    if _names(sentence) and _names(item.line) and not _names(sentence) & _names(item.line):
        return False
    expression = item.derivations[-1].expression
    if ordered(sentence) - signs(expression):
        return False
    if not keeps_its_word(sentence, equation, expression, problem):
        return False
    if _names_another(sentence, equation, item, known):
        return False
    words = content_words(sentence)
    if words and not item.words:
        return _speaks_of(sentence, equation, item, known)
    if not words:
        return len(_WORD.findall(sentence)) <= MOST_BARE_WORDS
    return overlap(words, item.words) >= (ENOUGH_WITH_NOUN if ours & theirs else ENOUGH)


def _speaks_of(sentence: str, equation: Equation, item: PlanItem, known: Collection[Fraction]) -> bool:
    """Whether all numbers that the sentence names are the derivation's, or the one that was misread for it.

    A sentence that names none has all of its operands in the equation, but for one.
    """
    derivation = item.derivations[-1]
    named = {number.value for number in unmarked_numbers(sentence, [equation])}
    if named:
        allowed = {*derivation.operands, derivation.result, *misread(equation, item, known)}
        return named <= allowed
    return len(_differing(equation, item)[1]) <= 1


def _names_another(sentence: str, equation: Equation, item: PlanItem, known: Collection[Fraction]) -> bool:
    """Whether the words name an operand that the derivation lacks and that is not put right in them.

    One that comes twice may stand again behind the sign: what is calculated with first is most often what
    was there before, and what the words name comes second.
    """
    named = {number.value for number in unmarked_numbers(sentence, [equation])}
    lost = set(_differing(equation, item)[0]) - misread(equation, item, known).keys()
    return not named.isdisjoint(lost - set(item.derivations[-1].operands[1:]))


def misread(equation: Equation, item: PlanItem, known: Collection[Fraction]) -> dict[Fraction, Fraction]:
    """The operand in which the equation differs from the plan item's derivation, and what it has to be.

    Empty where they differ in none or in more than one, or in an operation too, and where the operand is a
    known number: then it was chosen, not misread, and what the sentence says of it is another thing.
    """
    own, derived = _differing(equation, item)
    if len(own) != 1 or len(derived) != 1 or own[0] in known:
        return {}
    if signs(equation.left) != signs(item.derivations[-1].expression):
        return {}
    return {own[0]: derived[0]}


def _differing(equation: Equation, item: PlanItem) -> tuple[list[Fraction], list[Fraction]]:
    """Operands of the equation that the plan item's derivation lacks, and the other way round."""
    own = Counter(leaf.value for leaf in equation.left.leaves() if leaf.value is not None)
    derived = Counter(item.derivations[-1].operands)
    return list((own - derived).elements()), list((derived - own).elements())


def counted(text: str, equation: Equation) -> frozenset[str]:
    """What the result counts: content words of the noun phrase behind it, ``money`` for a currency."""
    result = equation.result
    if currency_before(text, result.span.start, equation):
        return frozenset({"money"})
    phrase = _PHRASE.match(text[result.span.end :])
    words = content_words(phrase[0]) if phrase and result.unit else frozenset()
    return frozenset("money" if word in ("dollar", "cent") else word for word in words)


def _names(text: str) -> frozenset[str]:
    """Capitalised words that no sentence begins with by habit."""
    found = (word.lower() for word in _CAPITALISED.findall(text))
    return frozenset(word for word in found if word not in FUNCTION_WORDS | _OPENERS)


def overlap(words: frozenset[str], others: frozenset[str]) -> float:
    """Shared words / words of the shorter text; 0 where one of them has none."""
    shorter = min(len(words), len(others))
    return len(words & others) / shorter if shorter else 0.0


def has_algebra(text: str, equations: Sequence[Equation]) -> bool:
    """Whether `text` reasons with a variable, or holds an equals sign outside its numeric equations."""
    if _VARIABLE.search(text):
        return True
    spans = [equation.span for equation in equations]
    signs = (match.start() for match in _NUMERIC_EQUATION.finditer(text))
    return any(not any(span.start <= sign < span.end for span in spans) for sign in signs)
