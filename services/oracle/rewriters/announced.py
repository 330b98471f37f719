"""What operation the words of a step announce: other numbers may stand in a sentence, not another deed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from shared.quantities.equations import Equation
from shared.quantities.expressions import Expression
from shared.quantities.numbers import find_numbers

# What a sentence says is to be done, in whatever form: no other operation may follow.
_ORDERS = {"divid": "/", "subtract": "-", "multipl": "*", "add ": "+", "adding": "+"}
# What else names an operation; it may do so in passing.
_WORDS = {
    "+": r"plus|add(?:s|ed|ing)?|addition|sums?|increas\w+",
    "-": r"minus|subtract\w*|decreas\w+|differences?|fewer|left|remain\w*",
    "*": r"times|twice|thrice|doubl\w+|tripl\w+|multipl\w+|products?",
    "/": r"divid\w+|division|half|halv\w+|quotient|equal parts",
}
# Who gains has more and who loses has less; but a price may be multiplied by what is eaten, so this counts
# only where one of the two gives way to the other.
_DEEDS = {
    "+": r"finds?|wins?|won|gain\w*|receiv\w+",
    "-": r"los(?:es?|t|ing)|giv(?:es?|ing) away|gave away|eats?|ate|spen(?:ds?|t|ding)",
}
_OPPOSITE = {"+": "-", "-": "+"}
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def _compiled(table: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {sign: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for sign, words in table.items()}


_ANNOUNCED, _DONE = _compiled(_WORDS), _compiled(_DEEDS)


def signs(expression: Expression) -> frozenset[str]:
    """The operations of an expression."""
    return frozenset(part.op for part in expression.operations())


def ordered(sentence: str) -> frozenset[str]:
    """Signs of the operations that the sentence names as something to do."""
    lowered = sentence.lower()
    return frozenset(sign for verb, sign in _ORDERS.items() if verb in lowered)


def keeps_its_word(sentence: str, native: Equation, new: Expression, problem: str) -> bool:
    """Whether no operation that `native` carries out as the words around it say is missing in `new`.

    "The pile grows to 4 times its size: 45 * 4" can't carry 45 + 19. An operation that the words name and
    the native equation lacks says nothing: often that is the error. Neither do words that the problem says
    of the same numbers ("half the amount"): they may ask for the opposite operation.
    """
    lost, gained = signs(native.left) - signs(new), signs(new) - signs(native.left)
    told = [_ANNOUNCED[sign] for sign in lost & _ANNOUNCED.keys()]
    told += [_DONE[sign] for sign in lost & _DONE.keys() if _OPPOSITE[sign] in gained]
    words = sentence[: native.span.start] + " " + sentence[native.span.end :]
    said = {match[0].lower() for pattern in told for match in pattern.finditer(words)}
    return all(any(word in given for given in _told_of(problem, sentence)) for word in said)


def _told_of(problem: str, sentence: str) -> Iterator[str]:
    """The problem's sentences, in lower case, that share a number with `sentence`."""
    ours = _values(sentence)
    for told in _SENTENCE.split(problem):
        if not ours.isdisjoint(_values(told)):
            yield told.lower()


def _values(text: str) -> set[Fraction]:
    """Numbers of a text; "half" and its like are words of an operation here."""
    numbers = [
        one for one in find_numbers(text) if not any(p.match(one.surface) for p in _ANNOUNCED.values())
    ]
    return {part.value for number in numbers for part in (number, *number.parts)}
