"""The verifier as its callers see it: verdicts, reasons, threads, event loops, processes."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from services.oracle.verifier import Limits, Question, SandboxedVerifier
from services.oracle.verifier.evaluation import pair_report, question_of, score_pairs
from shared.domain import Correctness
from shared.errors import UnavailableError
from shared.ports import Verifier

CORRECT, INCORRECT, UNDECIDED = Correctness.CORRECT, Correctness.INCORRECT, Correctness.UNDECIDED

VERDICTS: dict[str, tuple[str, str | None, Correctness, str]] = {
    "equal numbers": ("A: 26.0", "26", CORRECT, "exact"),
    "different numbers": ("A: 26", "18", INCORRECT, "exact"),
    "the same text": (r"\boxed{x+1}", "x+1", CORRECT, "same_text"),
    "equal formulas": (r"\boxed{\frac{\sqrt{2}}{2}}", r"\frac{1}{\sqrt{2}}", CORRECT, "compared"),
    "different formulas": ("x^2+2x+1", "x^3+2x+1", INCORRECT, "compared"),
    "a matrix": (
        r"\[\boxed{\begin{pmatrix} \frac{1}{5} \\ -\frac{3}{5} \end{pmatrix}}\]",
        r"\begin{pmatrix} 1/5 \\ -3/5 \end{pmatrix}",
        CORRECT,
        "compared",
    ),
    "an interval": (r"so \boxed{x \in [-2, 7]}", "[-2,7]", CORRECT, "compared"),
    "words": (r"\boxed{\text{Evelyn}}", "evelyn", CORRECT, "compared"),
    "a choice": ("Solution: Choice_B", "B", CORRECT, "compared"),
    "another choice": ("Solution: Choice_B", "C", INCORRECT, "compared"),
    "no choice at all": (
        "Solution: None of the choices (A, B, C, or D) is correct.",
        "D",
        INCORRECT,
        "compared",
    ),
    "gold within its solution": ("The answer is 7", "3 + 4 = 7\n#### 7", CORRECT, "same_text"),
    "no gold": ("The answer is 5", None, UNDECIDED, "no_gold"),
    "empty gold": ("The answer is 5", "  ", UNDECIDED, "no_gold"),
    "broken gold": (r"\boxed{3}", r"\frac{1}{", UNDECIDED, "unparsable_gold"),
    "no answer": ("I do not know how this could ever be solved.", "5", INCORRECT, "no_answer"),
    "an empty text": ("", "5", INCORRECT, "no_answer"),
    "too long a text": ("1" * 300_000, "5", UNDECIDED, "too_long"),
    "too long an answer": (r"\boxed{" + "1" * 5000 + "}", "5", UNDECIDED, "too_long"),
    "too long, but the same": ("1" * 300_000, "1" * 300_000, CORRECT, "same_text"),
}


@pytest.mark.parametrize(("text", "gold", "value", "reason"), VERDICTS.values(), ids=VERDICTS.keys())
def test_the_verdict_on(
    text: str, gold: str | None, value: Correctness, reason: str, verifier: SandboxedVerifier
) -> None:
    verdict = verifier.verify(text, gold)
    assert (verdict.value, verdict.reason) == (value, reason)


def test_it_implements_the_port(verifier: SandboxedVerifier) -> None:
    assert isinstance(verifier, Verifier)


def test_the_verdict_shows_the_answer_that_was_found(verifier: SandboxedVerifier) -> None:
    assert verifier.verify(r"Thus \(\boxed{36}\) miles.", "35").answer == "36"


def test_at_least_95_of_100_labelled_pairs_are_right_in_each_class(
    verifier: SandboxedVerifier, pairs: list[dict[str, Any]]
) -> None:
    pooled = pair_report(score_pairs(pairs, verifier))["pooled"]
    assert min(pooled["equal"]["accuracy"], pooled["unequal"]["accuracy"]) >= 0.95


def test_1000_questions_at_once_get_the_verdicts_of_a_serial_run(pairs: list[dict[str, Any]]) -> None:
    formulas = [question_of(pair) for pair in pairs if len(pair["pred"]) < 100][::5]
    questions = formulas + [Question(str(index), f"{index % 7}.0") for index in range(100)]
    many = (questions * (1000 // len(questions) + 1))[:1000]
    with SandboxedVerifier(workers=2) as verifier, ThreadPoolExecutor(32) as threads:
        serial = [verifier.compare(question) for question in questions]
        at_once = list(threads.map(verifier.compare, many))
    assert at_once == [serial[index % len(questions)] for index in range(1000)]


def test_a_hostile_neighbour_in_a_batch_changes_no_verdict() -> None:
    good = [("(x+1)^2", "x^2+2x+1"), ("x^2", "x^3"), (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}")] * 4
    hostile = (r"\boxed{2^{-9^{9^{9}}}}", "0.1")
    with SandboxedVerifier(limits=Limits(seconds=1.0)) as verifier:
        alone = verifier.verify_many(good)
        among = verifier.verify_many([*good[:5], hostile, *good[5:]])
    assert [*among[:5], *among[6:]] == alone


def test_it_can_be_awaited(verifier: SandboxedVerifier) -> None:
    async def ask() -> list[Correctness]:
        verdicts = await asyncio.gather(*(verifier.averify("(x+1)^2", "x^2+2x+1") for _ in range(5)))
        return [verdict.value for verdict in verdicts]

    assert asyncio.run(ask()) == [CORRECT] * 5


def test_a_cancelled_wait_leaves_the_verifier_whole(verifier: SandboxedVerifier) -> None:
    async def give_up() -> None:
        waiting = asyncio.ensure_future(verifier.averify("(x+1)^9", "(1+x)^9+1"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(give_up())
    assert verifier.verify("(x+1)^2", "x^2+2x+1").value is CORRECT


def _workers() -> list[psutil.Process]:
    """Worker processes below this one: those that hold the libraries, the fork server left out."""
    below = psutil.Process().children(recursive=True)
    return [process for process in below if process.ppid() != os.getpid()]


def test_a_worker_that_was_killed_is_replaced() -> None:
    with SandboxedVerifier() as verifier:
        verifier.verify("(x+1)^2", "x^2+2x+1")
        for process in _workers():
            process.send_signal(signal.SIGKILL)
        assert verifier.verify("(x+1)^2", "x^2+2x+1").value is CORRECT


LIFE = """
import psutil
from services.oracle.verifier import SandboxedVerifier
if __name__ == "__main__":
    with SandboxedVerifier(workers=2) as verifier:
        verifier.verify("(x+1)^2", "x^2+2x+1")
        {inside}
    {after}
"""


def _run(inside: str = "pass", after: str = "pass") -> str:
    code = LIFE.format(inside=inside, after=after)
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    return ran.stdout.strip()


def test_close_leaves_no_worker_and_no_fork_server_behind() -> None:
    names = "print([' '.join(p.cmdline()) for p in psutil.Process().children(recursive=True)])"
    assert "forkserver" not in _run(after=names)


def test_the_child_of_a_fork_starts_workers_of_its_own() -> None:
    inside = (
        "import os, sys\n"
        "        child = os.fork()\n"
        "        if not child:\n"
        "            print(verifier.verify('(x+1)^3', '(1+x)^3').value, flush=True)\n"
        "            verifier.close()\n"
        "            os._exit(0)\n"
        "        os.waitpid(child, 0)"
    )
    assert _run(inside) == "correct"


def test_a_closed_verifier_says_so() -> None:
    verifier = SandboxedVerifier()
    verifier.close()
    with pytest.raises(UnavailableError):
        verifier.verify("(x+1)^2", "x^2+2x+1")


def test_a_question_crosses_process_borders() -> None:
    question = Question("1", "2", ordered=True)
    assert pickle.loads(pickle.dumps(question)) == question
