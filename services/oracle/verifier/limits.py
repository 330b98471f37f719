"""What one verification may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of time, memory and size; every verification is answered within twice `seconds`.

    Attributes:
        seconds: processor time of one verification; the wall clock may run 1.6 times as long.
        memory: bytes that a worker may allocate beyond what it holds after loading its libraries.
        text: characters of a whole solution; a longer one is undecided ``too_long``.
        answer: characters of a final answer or of gold that may be parsed; longer is ``too_long``
            unless the two are the same string.
        batch: most verifications sent to a worker at once; a batch that fails is redone one by one.
        tasks: batches after which a worker is replaced, which bounds what its libraries' caches hold.
    """

    seconds: float = 5.0
    memory: int = 512 * 1024 * 1024
    text: int = 200_000
    answer: int = 4_000
    batch: int = 16
    tasks: int = 400

    @property
    def wall_seconds(self) -> float:
        """Wall-clock time after which the worker is killed, whatever it is doing."""
        return 1.6 * self.seconds

    @property
    def patience_seconds(self) -> float:
        """Wall-clock time after which a question is given up even if its worker never got to run."""
        return 1.85 * self.seconds

    @property
    def batch_item_seconds(self) -> float:
        """Processor time of one verification while it shares a batch; over it, it is redone alone."""
        return 0.2 * self.seconds
