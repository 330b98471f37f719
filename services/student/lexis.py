"""Words, numbers and signs as the proxy sees them: what belongs to the problem is told from what is style.

A token is a word, a number, a sign or a white-space character, with the one blank before it; joined
they give the text back. A token becomes a *symbol*: the token itself where it belongs to the student's own
vocabulary, an open class where it doesn't (a word of the problem, a number, an unknown word). So "Janet" and
"16" are no surprise in a solution about Janet's 16 eggs, and the order of words and signs is what is learnt.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

TOKEN = re.compile(r" ?[^\W\d_]+(?:['’][^\W\d_]+)*| ?\d+(?:[.,]\d+)*| ?_+| ?[^\w\s]|\s|.", re.DOTALL)
# A word is the student's own where it stands in at least this many of its texts ...
OWN_TEXTS = 2
# ... and is never counted as a word of the problem where it stands in this share of them.
CLOSED_SHARE = 0.03
UNICODE = math.log(0x110000)
TEN = math.log(10.0)
# A word of the problem may come back in one of about this many forms (plural, possessive, as it is).
FORMS = math.log(3.0)


@dataclass(frozen=True, slots=True)
class Symbols:
    """A text as symbols; all tuples have one entry a token.

    Attributes:
        names: symbols. extra: nats for choosing the token within its open class (0 for own words).
        ahead: how many equally likely members of the class come before it.
        ends: code-point offset where each token ends (it starts where the last one ended).
    """

    names: tuple[str, ...]
    extra: tuple[float, ...]
    ahead: tuple[int, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lexis:
    """What a student's own samples say about its words.

    Attributes:
        own: tokens (with their blank) of the student's vocabulary. closed: lower-case words that are
            style whatever the problem is. letters: nats of a letter after another in the student's words.
        letter: nats of a letter never seen in that place.
    """

    own: frozenset[str]
    closed: frozenset[str]
    letters: dict[str, float]
    letter: float

    def read(self, problem: str, text: str) -> Symbols:
        """The symbols of a solution of `problem`."""
        return _Reader(self, problem).read(text)

    def spelling(self, word: str) -> float:
        """Nats for spelling an unknown word, letter by letter."""
        get, unseen = self.letters.get, self.letter
        return sum(get(pair, unseen) for pair in map(str.__add__, " " + word, word + " "))


def learn_lexis(samples: Sequence[tuple[str, str]]) -> Lexis:
    """Lexis of (problem, solution) samples."""
    texts: Counter[str] = Counter()
    words: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for _, text in samples:
        tokens = set(TOKEN.findall(text))
        texts.update(tokens)
        lowered = {token.strip().lower() for token in tokens}
        words.update(lowered)
        for word in lowered:
            pairs.update(map(str.__add__, " " + word, word + " "))
    closed = frozenset(word for word, n in words.items() if n >= CLOSED_SHARE * len(samples))
    letters, letter = _letters(pairs)
    return Lexis(frozenset(token for token, n in texts.items() if n >= OWN_TEXTS), closed, letters, letter)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The word without its possessive or plural ending, in lower case."""
    word = word.lower().replace("’", "'").removesuffix("'s").removesuffix("'")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("shes", "ches", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _letters(pairs: Counter[str]) -> tuple[dict[str, float], float]:
    """Nats of each letter given the last one, half the mass kept for letters never seen there."""
    firsts: Counter[str] = Counter()
    for pair, count in pairs.items():
        firsts[pair[0]] += count
    letters = {pair: -math.log(0.95 * n / firsts[pair[0]]) for pair, n in pairs.items()}
    return letters, UNICODE - math.log(0.05)


@lru_cache(maxsize=512)
def _terms(problem: str) -> tuple[dict[str, int], dict[str, int]]:
    """Stems of the words and values of the numbers of a problem, each with its place in order."""
    stems: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for token in TOKEN.findall(problem):
        core = token.strip()
        if core[:1].isdecimal():
            numbers.setdefault(core.replace(",", ""), len(numbers))
        elif core[:1].isalpha():
            stems.setdefault(stem(core), len(stems))
    return stems, numbers


class _Reader:
    """Reads one solution; knows the words and numbers of its problem and those already used."""

    def __init__(self, lexis: Lexis, problem: str) -> None:
        self._lexis = lexis
        self._stems, self._numbers = _terms(problem)
        self._used: dict[str, int] = {}

    def read(self, text: str) -> Symbols:
        names: list[str] = []
        extra: list[float] = []
        ahead: list[int] = []
        ends: list[int] = []
        position = 0
        for token in TOKEN.findall(text):
            position += len(token)
            name, nats, before = self._symbol(token)
            names.append(name)
            extra.append(nats)
            ahead.append(before)
            ends.append(position)
        return Symbols(tuple(names), tuple(extra), tuple(ahead), tuple(ends))

    def _symbol(self, token: str) -> tuple[str, float, int]:
        blank = " " if len(token) > 1 and token[0] == " " else ""
        core = token[len(blank) :]
        first = core[0]
        if first.isdecimal():
            return self._number(blank, core)
        if first.isalpha():
            return self._word(token, blank, core)
        if token in self._lexis.own:
            return token, 0.0, 0
        return blank + "@sign", UNICODE * len(core), len(self._lexis.own)

    def _number(self, blank: str, core: str) -> tuple[str, float, int]:
        """Numbers are told apart by where they come from and how they are written, never by value."""
        form = blank + ("@1,000" if "," in core else "@1.5" if "." in core else "@1")
        value = core.replace(",", "")
        place = self._numbers.get(value)
        if place is not None:
            return form + "problem", math.log(len(self._numbers)), place
        place = self._used.get(value)
        if place is not None:
            return form + "used", math.log(len(self._used)), place
        self._used[value] = len(self._used)
        return form + "new", TEN * len(value), min(10 ** min(len(value), 9), 1_000_000)

    def _word(self, token: str, blank: str, core: str) -> tuple[str, float, int]:
        lexis = self._lexis
        if core.lower() in lexis.closed and token in lexis.own:
            return token, 0.0, 0
        form = blank + ("@Word" if core[0].isupper() else "@word")
        place = self._stems.get(stem(core))
        if place is not None:
            return form + "problem", math.log(len(self._stems)) + FORMS, place
        if token in lexis.own:
            return token, 0.0, 0
        place = self._used.get(core)
        if place is not None:
            return form + "used", math.log(len(self._used)), place
        self._used[core] = len(self._used)
        return form + "new", lexis.spelling(core), len(lexis.own)


def vocabulary(texts: Iterable[Symbols]) -> tuple[str, ...]:
    """The symbols that occur, in a fixed order."""
    return tuple(sorted({name for symbols in texts for name in symbols.names}))
