"""Inputs made to exhaust or to subvert a verifier; they are described in tests/data/verifier/README.md."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.oracle.verifier import Limits, SandboxedVerifier
from shared.domain import Correctness, Verdict

LIMITS = Limits(seconds=1.0)
FILE = Path(__file__).parents[1] / "data" / "verifier" / "hostile.jsonl"


@dataclass(frozen=True)
class Attack:
    """What came of one hostile input, and of the harmless question right after it."""

    name: str
    truth: str | None
    verdict: Verdict
    seconds: float
    next_value: Correctness


@dataclass(frozen=True)
class Siege:
    """All attacks, and the path that hostile code would have created."""

    attacks: list[Attack]
    canary: Path


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    canary = tmp_path_factory.mktemp("hostile") / "canary"
    records = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
    with SandboxedVerifier(limits=LIMITS) as verifier:
        verifier.verify("(x+1)^2", "x^2+2x+1")
        yield Siege([_attack(verifier, record, canary) for record in records], canary)


def _attack(verifier: SandboxedVerifier, record: dict[str, Any], canary: Path) -> Attack:
    text, gold = (_built(record[field]).replace("CANARY", str(canary)) for field in ("text", "gold"))
    begin = time.perf_counter()
    verdict = verifier.verify(text, gold)
    seconds = time.perf_counter() - begin
    after = verifier.verify("(x+1)^2", "x^2+2x+1")
    return Attack(f"{record['id']} {record['what']}", record["truth"], verdict, seconds, after.value)


def _built(pieces: str | list[tuple[str, int]]) -> str:
    return pieces if isinstance(pieces, str) else "".join(piece * times for piece, times in pieces)


def test_there_are_at_least_40_attacks(siege: Siege) -> None:
    assert len(siege.attacks) >= 40


def test_every_attack_is_answered_within_twice_the_time_limit(siege: Siege) -> None:
    assert [a.name for a in siege.attacks if a.seconds > 2 * LIMITS.seconds] == []


def test_no_hostile_code_was_run(siege: Siege) -> None:
    assert not siege.canary.exists()


def test_the_question_after_each_attack_is_answered_right(siege: Siege) -> None:
    assert [a.name for a in siege.attacks if a.next_value is not Correctness.CORRECT] == []


def test_no_verdict_contradicts_what_is_true(siege: Siege) -> None:
    never = {"equal": Correctness.INCORRECT, "unequal": Correctness.CORRECT}
    assert [a.name for a in siege.attacks if a.verdict.value is never.get(a.truth or "")] == []


def test_every_undecided_verdict_has_a_reason(siege: Siege) -> None:
    reasons = {a.verdict.reason for a in siege.attacks if a.verdict.value is Correctness.UNDECIDED}
    assert reasons <= {"timeout", "memory", "crash", "too_long", "unparsable_gold"}
