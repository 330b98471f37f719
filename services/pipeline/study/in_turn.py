"""Does a study's tasks one after the other in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from services.pipeline.study.perform import Tools, perform
from services.pipeline.study.tasks import Settle, Tagged


@dataclass(frozen=True, slots=True)
class InTurn:
    """Implements `Workers`."""

    tools: Tools

    def run(self, tasks: Iterable[Tagged], settle: Settle) -> None:
        """Do all tasks; those that a result asks for come next."""
        waiting = deque(tasks)
        while waiting:
            one = waiting.popleft()
            waiting.extendleft(settle(one.tag, perform(one.task, self.tools)))
