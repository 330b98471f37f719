"""The verifier: finds the final answer, decides what is plain, and asks a worker about the rest."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from types import TracebackType

from services.oracle.verifier.extraction import FinalAnswer, final_answer
from services.oracle.verifier.limits import Limits
from services.oracle.verifier.plain import choice_letter, chosen_letter, same_numbers, undress
from services.oracle.verifier.pool import WorkerPool
from services.oracle.verifier.question import Outcome, Question
from services.oracle.verifier.towers import same_towers
from shared.domain import Correctness, Verdict
from shared.errors import UnavailableError

_VALUES = {Outcome.EQUAL: Correctness.CORRECT, Outcome.DIFFERENT: Correctness.INCORRECT}


class SandboxedVerifier:
    """Implements `shared.ports.Verifier`; safe from any thread and from asyncio.

    A solution without any final answer is incorrect, reason ``no_answer``. No verdict is ever incorrect
    because a limit of time, memory or size was met: those are undecided.

    Args:
        workers: number of worker processes; they start with the first question that needs one.
        limits: bounds of one verification.

    Raises:
        UnavailableError: math-verify is not installed; or, from any method, the verifier is closed.
    """

    def __init__(self, workers: int = 1, limits: Limits | None = None) -> None:
        if importlib.util.find_spec("math_verify") is None:
            raise UnavailableError("math-verify is not installed; install the extra 'oracle'")
        self._limits = limits or Limits()
        self._pool = WorkerPool(workers, self._limits)

    @property
    def counts(self) -> tuple[int, int]:
        """Worker processes that had to be replaced so far, and questions that ran out of time."""
        return self._pool.tally.restarts, self._pool.tally.timeouts

    def __enter__(self) -> SandboxedVerifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes; pending questions are answered first."""
        self._pool.close()

    def verify(self, text: str, gold: str | None) -> Verdict:
        """Verdict on the final answer of a whole solution (or a bare answer)."""
        return self.submit(text, gold).result()

    def verify_many(self, items: Iterable[tuple[str, str | None]]) -> list[Verdict]:
        """Verdicts on (text, gold) pairs, in order; equal to asking one by one."""
        return [future.result() for future in [self.submit(text, gold) for text, gold in items]]

    async def averify(self, text: str, gold: str | None) -> Verdict:
        """As `verify`, without blocking the event loop."""
        return await asyncio.wrap_future(self.submit(text, gold))

    def submit(self, text: str, gold: str | None) -> Future[Verdict]:
        """The future verdict on a whole solution."""
        if gold is None or not gold.strip():
            return _decided(Verdict(Correctness.UNDECIDED, "no_gold"))
        if len(text) > self._limits.text:
            return _decided(_too_long(text, gold))
        wanted = _gold_answer(gold)
        found = _found(text, wanted)
        if found is None:
            return _decided(Verdict(Correctness.INCORRECT, "no_answer"))
        return self._compare(Question(wanted, found.text), found)

    def compare(self, question: Question) -> Verdict:
        """Verdict on a bare question, with its options."""
        return self.submit_question(question).result()

    def compare_many(self, questions: Sequence[Question]) -> list[Verdict]:
        """Verdicts in order."""
        return [future.result() for future in [self.submit_question(q) for q in questions]]

    def submit_question(self, question: Question) -> Future[Verdict]:
        """The future verdict on a question."""
        return self._compare(question, FinalAnswer(question.answer, "given"))

    def _compare(self, question: Question, found: FinalAnswer) -> Future[Verdict]:
        quick = self._quick(question)
        if quick is not None:
            value, reason = quick
            return _decided(Verdict(value, reason, _shown(found.text)))
        return _translated(self._pool.submit(question), found)

    def _quick(self, question: Question) -> tuple[Correctness, str] | None:
        """What can be said without a parser, in bounded time; None where it can't."""
        if question.gold.strip() == question.answer.strip():
            return Correctness.CORRECT, "same_text"
        most = self._limits.answer if not question.whole else self._limits.text
        if max(len(question.gold), len(question.answer)) > most:
            return Correctness.UNDECIDED, "too_long"
        if question.letters or (question.ordered and "," in question.gold):
            return None
        equal = same_numbers(question.gold, question.answer, question.precision)
        if equal is None:
            equal = same_towers(undress(question.gold), undress(question.answer))
        if equal is None:
            return None
        return (Correctness.CORRECT if equal else Correctness.INCORRECT), "exact"


def _gold_answer(gold: str) -> str:
    """Gold itself, or the answer it states where it is a whole solution."""
    if "\\boxed" in gold or "####" in gold:
        stated = final_answer(gold)
        return stated.text if stated else gold
    return gold


def _found(text: str, gold: str) -> FinalAnswer | None:
    """The final answer; where gold is a choice letter, the letter that the answer settles on."""
    found = final_answer(text)
    if choice_letter(gold) is None or (found and choice_letter(found.text)):
        return found
    told = found.text if found and found.how not in ("bare", "last_formula", "last_number") else text
    letter = chosen_letter(told)
    return FinalAnswer(letter, "letter") if letter else found


def _too_long(text: str, gold: str) -> Verdict:
    if text.strip() == gold.strip():
        return Verdict(Correctness.CORRECT, "same_text", _shown(text))
    return Verdict(Correctness.UNDECIDED, "too_long")


def _shown(answer: str) -> str:
    """`answer` as it goes into the verdict: undressed, and no longer than a person would read."""
    shown = undress(answer) if len(answer) <= 1000 else answer[:1000]
    return shown[:300]


def _decided(verdict: Verdict) -> Future[Verdict]:
    future: Future[Verdict] = Future()
    future.set_result(verdict)
    return future


def _translated(outcome: Future[Outcome], found: FinalAnswer) -> Future[Verdict]:
    future: Future[Verdict] = Future()

    def settle(done: Future[Outcome]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        error = done.exception()
        if error is not None:
            future.set_exception(error)
            return
        said = done.result()
        value = _VALUES.get(said, Correctness.UNDECIDED)
        reason = "compared" if said in _VALUES else said.value
        future.set_result(Verdict(value, reason, _shown(found.text)))

    outcome.add_done_callback(settle)
    return future
