"""Rules in threads: the same candidates, those of a moment at a time, none after the iterator is closed."""

import asyncio
import threading

import pytest

from services.oracle import threaded
from services.oracle.base import ServedLocator, ServedRewriter
from services.oracle.locators.combine import CombinedLocator
from services.oracle.rewriters.arithmetic import Arithmetic
from services.oracle.rewriters.reference_graft import ReferenceGraft
from services.oracle.threaded import ThreadedLocator, ThreadedRewriter
from shared.domain import Candidate, Correctness, Diagnosis, Edit, Problem, Span, Trajectory, Verdict
from shared.errors import UnavailableError
from shared.ports import RewriteRequest
from shared.text.segmentation import join_steps

TEXT, CUT = join_steps(["16 - 3 = 13 eggs", "13 * 2 = $26"], "\n")
NATIVE = Trajectory(
    "t",
    1,
    Problem("Ducks lay 16 eggs, 3 are eaten, 4 baked, $2 each.", "18", "16 - 3 - 4 = 9 eggs\n9 * 2 = $18"),
    TEXT,
    CUT,
    "\n",
)
WRONG = Verdict(Correctness.INCORRECT, None, "26")
REQUEST = RewriteRequest(NATIVE, WRONG, Diagnosis(0, 0.9), None, 0)


class Counting:
    """Makes candidates, for ever or so many, counts them, and knows where it ran and whether it was ended."""

    name = "counting"

    def __init__(self, most=None):
        self.most = most
        self.made = 0
        self.ended = False
        self.threads = set()

    def propose(self, request):
        try:
            while self.made != self.most:
                self.made += 1
                self.threads.add(threading.get_ident())
                yield Candidate(
                    (Edit(Span(0, 2), "16", str(self.made), "rules", self.name),), self.name, (0,)
                )
        finally:
            self.ended = True


class Held:
    """Waits inside its first candidate until it is let go."""

    name = "held"

    def __init__(self):
        self.inside, self.go = threading.Event(), threading.Event()
        self.ended = False

    def propose(self, request):
        try:
            self.inside.set()
            self.go.wait(30)
            yield Candidate((Edit(Span(0, 2), "16", "9", "rules", self.name),), self.name, (0,))
        finally:
            self.ended = True


async def collected(rewriter, request=REQUEST):
    return [candidate async for candidate in ThreadedRewriter(rewriter).propose(request)]


def closed_after(rewriter, number):
    async def run():
        candidates = ThreadedRewriter(rewriter).propose(REQUEST)
        for _ in range(number):
            await anext(candidates)
        await candidates.aclose()

    asyncio.run(run())


def test_a_rule_in_a_thread_is_a_part_of_the_service():
    assert isinstance(ThreadedLocator(CombinedLocator()), ServedLocator)
    assert isinstance(ThreadedRewriter(Arithmetic()), ServedRewriter)


def test_a_locator_says_the_same_in_a_thread():
    said = asyncio.run(ThreadedLocator(CombinedLocator()).locate(NATIVE, WRONG))
    assert said == CombinedLocator().locate(NATIVE, WRONG)


def test_a_rewriter_proposes_the_same_in_a_thread():
    assert asyncio.run(collected(ReferenceGraft())) == list(ReferenceGraft().propose(REQUEST))


def test_a_rewriter_that_gives_a_list_is_served_too():
    class Listed:
        name = "listed"

        def propose(self, request):
            return list(ReferenceGraft().propose(request))

    assert len(asyncio.run(collected(Listed()))) == len(list(ReferenceGraft().propose(REQUEST)))


def test_candidates_that_take_longer_than_a_moment_are_made_one_by_one(monkeypatch):
    monkeypatch.setattr(threaded, "MOMENT", 0.0)
    counting = Counting()
    closed_after(counting, 3)
    assert counting.made == 3


def test_candidates_of_a_moment_come_together(monkeypatch):
    monkeypatch.setattr(threaded, "MOMENT", 60.0)
    counting = Counting(most=5)
    closed_after(counting, 1)
    assert counting.made == 5


def test_closing_ends_the_rewriter():
    counting = Counting()
    closed_after(counting, 1)
    assert counting.ended


def test_candidates_are_made_outside_the_thread_of_the_loop():
    counting = Counting()
    closed_after(counting, 2)
    assert threading.get_ident() not in counting.threads


def test_the_event_loop_goes_on_while_a_candidate_is_made():
    held = Held()

    async def run():
        task = asyncio.ensure_future(collected(held))
        while not held.inside.is_set():
            await asyncio.sleep(0)
        held.go.set()
        return await task

    assert len(asyncio.run(run())) == 1


def test_a_cancelled_call_ends_the_rewriter_after_the_candidate_in_work():
    held = Held()

    async def run():
        task = asyncio.ensure_future(collected(held))
        while not held.inside.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        held.go.set()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert held.ended


def test_an_error_of_the_rewriter_reaches_the_caller():
    class Lost:
        name = "lost"

        def propose(self, request):
            raise UnavailableError("gone")
            yield

    with pytest.raises(UnavailableError):
        asyncio.run(collected(Lost()))


def test_candidates_that_came_before_an_error_are_not_lost():
    class Breaking(Counting):
        def propose(self, request):
            yield from Counting(most=2).propose(request)
            raise UnavailableError("gone")

    found = []

    async def run():
        async for candidate in ThreadedRewriter(Breaking()).propose(REQUEST):
            found.append(candidate)

    with pytest.raises(UnavailableError):
        asyncio.run(run())
    assert len(found) == 2
