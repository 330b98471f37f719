"""Which words of an edit really differ: a help for the eye inside a declared edit, never a measure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|\s+|.", re.DOTALL)
MOST_WORDS = 1500
ALIKE = 0.4

Range = tuple[int, int]


def changed(before: str, after: str) -> tuple[list[Range], list[Range]]:
    """Character ranges of the words that differ, in `before` and in `after`.

    Texts that have little in common, or are very long, differ as a whole.
    """
    old, new = WORD.findall(before), WORD.findall(after)
    whole = [(0, len(before))], [(0, len(after))]
    if max(len(old), len(new)) > MOST_WORDS:
        return whole
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < ALIKE:
        return whole
    codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return (
        [characters(old, start, end) for _, start, end, _, _ in codes if end > start],
        [characters(new, start, end) for _, _, _, start, end in codes if end > start],
    )


def characters(words: list[str], start: int, end: int) -> Range:
    """The characters that words `start` to `end` take up."""
    begin = sum(len(word) for word in words[:start])
    return begin, begin + sum(len(word) for word in words[start:end])
