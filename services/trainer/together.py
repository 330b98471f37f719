"""A training over several nodes, seen from node 0: begun when all are there, ended when one of them is lost.

The other nodes run `services.trainer.node`. What they are told and say is in `services.trainer.nodes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from services.trainer.guarded import GRACE_SECONDS
from services.trainer.nodes import (
    BEAT_SECONDS,
    Attempt,
    NodeState,
    NodeWord,
    Pulse,
    heard_node,
    tell_attempt,
    withdraw_attempt,
)
from services.trainer.process import ChildTraining, Ending, Launch, prepare
from services.trainer.run import FAILED, STOPPED, SUCCEEDED
from shared.domain.training import TrainingOrder

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: `join` for all nodes to take part in an attempt, `silence` until one is given up."""

    join: float = 600.0
    silence: float = 120.0


class SharedTraining:
    """One training that several nodes do together; stopped and awaited like a `ChildTraining`."""

    def __init__(
        self, order: TrainingOrder, folder: Path, launch: Launch, patience: Patience | None = None
    ) -> None:
        """Nothing runs before `ended` is awaited."""
        self._order, self._folder, self._launch = order, folder, launch
        self._patience = patience or Patience()
        self._id = uuid.uuid4().hex
        self._child: ChildTraining | None = None
        self._stopped = False
        self._words: dict[int, NodeWord | None] = {}
        self._pulses = {rank: Pulse() for rank in range(1, launch.nodes)}

    def stop(self) -> None:
        """Have it write a checkpoint and end."""
        self._stopped = True
        if self._child is not None:
            self._child.stop()

    async def ended(self) -> Ending:
        """Run it, and wait until it has ended here; the other nodes end their parts when they learn of it."""
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(prepare, self._order, self._folder, self._launch)
        async with self._told():
            problem = await self._not_begun()
            if self._stopped:
                return Ending(STOPPED, {"error": "stopped before it began"})
            if problem is not None:
                return Ending(FAILED, {"error": problem})
            self._child = ChildTraining(self._order, self._folder, self._launch)
            return await self._followed(self._child)

    @contextlib.asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """The other nodes know of the attempt, and that this one lives, while the block runs."""
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await asyncio.to_thread(withdraw_attempt, self._folder.parent)

    async def _beat(self) -> None:
        for beat in itertools.count():
            try:
                attempt = Attempt(self._id, self._folder.name, beat)
                await asyncio.to_thread(tell_attempt, self._folder.parent, attempt)
            except OSError as error:
                _LOG.warning("the other nodes can't be told of the training: %s", error)
            await asyncio.sleep(BEAT_SECONDS)

    async def _not_begun(self) -> str | None:
        """Why it can't begin; None as soon as all nodes take part and the rendezvous is free."""
        if not await self._becomes_true(self._all_joined, self._patience.join):
            gone = ", ".join(str(rank) for rank in self._pulses if not self._joined(rank))
            late = f"node {gone} did not join within {self._patience.join:g} s"
            return f"{late}; start services.trainer.node there"
        # A launch of before may hold the port until its guard's grace is over.
        if not await self._becomes_true(self._port_free, 3 * GRACE_SECONDS):
            return f"the port of {self._launch.rendezvous} is in use on node 0; give another one"
        return None

    async def _becomes_true(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether it becomes true in that time; True at once where the training is to stop."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not self._stopped and not await asyncio.to_thread(condition):
            if loop.time() > deadline:
                return False
            await asyncio.sleep(BEAT_SECONDS / 4)
        return True

    def _all_joined(self) -> bool:
        return all(self._joined(rank) for rank in self._pulses)

    def _joined(self, rank: int) -> bool:
        word = self._heard(rank)
        return word is not None and word.attempt == self._id

    def _heard(self, rank: int) -> NodeWord | None:
        """What the node said last; a folder that can't be read for a while is taken for silence."""
        try:
            self._words[rank] = heard_node(self._folder.parent, rank)
        except OSError as error:
            _LOG.warning("node %d can't be heard: %s", rank, error)
        return self._words.get(rank)

    def _port_free(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", int(self._launch.rendezvous.rpartition(":")[2]))) != 0

    async def _followed(self, child: ChildTraining) -> Ending:
        """How it ends here, where the reason may lie with another node."""
        if self._stopped:
            child.stop()
        ending = asyncio.create_task(child.ended())
        trouble = None
        while not ending.done() and trouble is None:
            await asyncio.wait({ending}, timeout=BEAT_SECONDS)
            trouble = await asyncio.to_thread(self._trouble)
        # Nodes that train together end together: each has a grace to say so itself.
        await asyncio.wait({ending}, timeout=GRACE_SECONDS)
        child.end()
        told = await ending
        if told.state == SUCCEEDED or self._stopped or (told.told.get("foreseen") and trouble is None):
            return told
        trouble = trouble or await self._heard_late()
        return told if trouble is None else Ending(FAILED, {"error": trouble})

    async def _heard_late(self) -> str | None:
        """The word of the node that failed, which may come after the end here."""
        for _ in range(int(GRACE_SECONDS / BEAT_SECONDS)):
            if (trouble := await asyncio.to_thread(self._trouble)) is not None:
                return trouble
            await asyncio.sleep(BEAT_SECONDS)
        return None

    def _trouble(self) -> str | None:
        """What is wrong with another node."""
        for rank, pulse in self._pulses.items():
            word = self._heard(rank)
            silence = pulse.feel(None if word is None else (word.attempt, word.beat))
            if silence > self._patience.silence:
                return f"node {rank} has not been heard of for {silence:.0f} s"
            if word is None or (word.attempt == self._id and word.state is not NodeState.ENDED):
                continue
            if word.attempt != self._id:
                return f"node {rank} was started anew and has left the training"
            if word.error is not None:
                return f"node {rank}: {word.error}"
        return None
