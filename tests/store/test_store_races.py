"""Many processes want one key; one gets it."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import Any

from shared.store import open_store

WRITERS, ROUNDS = 16, 200
CONTEXT = multiprocessing.get_context("fork")


def race(url: str, writer: int, gate: Barrier, results: Any) -> None:
    """Puts one key a round together with the others, and says which rounds it has won."""
    store = open_store(url)
    won = []
    for number in range(ROUNDS):
        try:
            gate.wait(60)
        except BrokenBarrierError:
            break
        data = f"{number} {writer}".encode()
        if store.put_if_absent(f"rounds/{number:03}/outcome", data if writer % 2 else iter([data])):
            won.append((number, writer))
    results.put(won)


def winners(url: str) -> list[tuple[int, int]]:
    """Everybody who says that a round was his."""
    gate, results = CONTEXT.Barrier(WRITERS), CONTEXT.Queue()
    writers = [CONTEXT.Process(target=race, args=(url, number, gate, results)) for number in range(WRITERS)]
    for process in writers:
        process.start()
    won = [entry for _ in writers for entry in results.get(timeout=120)]
    for process in writers:
        process.join()
    return sorted(won)


def test_of_sixteen_processes_exactly_one_wins_each_key_and_it_holds_what_that_one_wrote(url: str) -> None:
    won = winners(url)
    store = open_store(url)
    held = [tuple(map(int, store.get(key).split())) for key in store.list("rounds/")]
    assert (len(held), held) == (ROUNDS, won)
