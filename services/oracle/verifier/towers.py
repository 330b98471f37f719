"""Towers of powers such as ``10^{10^{10}}``, compared exactly without writing them out."""

from __future__ import annotations

import re

_STOREY = re.compile(
    r"\s*(?P<ground>\d{1,40})\s*(?:\^\s*(?:\{(?P<braced>.*)\}|\((?P<round>.*)\)|(?P<digit>\d))\s*)?"
)
_STOREYS_AT_MOST = 20
_BITS_AT_MOST = 8192


def same_towers(gold: str, answer: str) -> bool | None:
    """Whether two towers of whole numbers are equal; None where they aren't towers or it can't be told."""
    first, second = _tower(gold), _tower(answer)
    if first is None or second is None or len(first) + len(second) == 2:
        return None
    return _equal(_collapsed(first), _collapsed(second))


def _tower(text: str) -> list[int] | None:
    """The storeys from the ground up, each at least 2; None where `text` is no such tower."""
    storeys: list[int] = []
    while text and len(storeys) < _STOREYS_AT_MOST:
        match = _STOREY.fullmatch(text)
        if match is None or int(match["ground"]) < 2:
            return None
        storeys.append(int(match["ground"]))
        text = match["braced"] or match["round"] or match["digit"] or ""
    return storeys if storeys and not text else None


def _collapsed(storeys: list[int]) -> list[int]:
    """The same value with its upper storeys multiplied out as far as they stay small."""
    *rest, top = storeys
    while rest and top * rest[-1].bit_length() <= _BITS_AT_MOST:
        top = int(rest.pop() ** top)
    return [*rest, top]


def _equal(first: list[int], second: list[int]) -> bool | None:
    """Of two collapsed towers, one with a single storey is the smaller, unless the other has one too."""
    if len(first) == 1 or len(second) == 1:
        return first == second if len(first) == len(second) else _small_is_large(first, second)
    if first[0] == second[0]:
        return _equal(first[1:], second[1:])
    return None


def _small_is_large(first: list[int], second: list[int]) -> bool | None:
    """False where the single storey is too small to be the other tower, which has over half the bits."""
    single = first[0] if len(first) == 1 else second[0]
    return False if single.bit_length() <= _BITS_AT_MOST // 2 else None
