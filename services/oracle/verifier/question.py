"""What is sent to a worker, and what it may say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Question:
    """Is `answer` equal to `gold`?

    Attributes:
        whole: the two strings may be whole solutions, to be searched for their final answers;
            otherwise they are bare answers.
        precision: decimals to which inexact numbers are compared.
        strict: whether the names of variables count.
        relations_as_sets: whether ``1 < x < 2`` may equal ``(1, 2)`` when gold is the set.
        ordered: whether the order of a list of plain numbers counts.
        letters: whether the answers are choice letters within prose.
        notations: which of ``latex`` and ``expr`` to look for.
    """

    gold: str
    answer: str
    whole: bool = False
    precision: int = 6
    strict: bool = True
    relations_as_sets: bool = False
    ordered: bool = False
    letters: bool = False
    notations: tuple[str, ...] = ("latex", "expr")


class Outcome(StrEnum):
    """A worker's answer; everything but EQUAL and DIFFERENT is undecided."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNPARSABLE_GOLD = "unparsable_gold"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
