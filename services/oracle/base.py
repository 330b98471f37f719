"""The oracle's parts as its service sees them: asynchronous, since some of them wait for a language model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from shared.domain import Candidate, Diagnosis, Trajectory, Verdict
from shared.ports import RewriteRequest


@runtime_checkable
class ServedLocator(Protocol):
    """As `shared.ports.Locator`; many calls may be under way at once."""

    @property
    def name(self) -> str:
        """Name of the locator, as findings quote it."""
        ...

    async def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """Diagnosis of the trajectory, given the verdict on its final answer."""
        ...


@runtime_checkable
class ServedRewriter(Protocol):
    """As `shared.ports.Rewriter`; closing the iterator stops the work on further candidates."""

    @property
    def name(self) -> str:
        """Name of the rewriter, as edits quote it."""
        ...

    def propose(self, request: RewriteRequest) -> AsyncIterator[Candidate]:
        """Candidates whose edits are spans of the native text: whole steps, or whole tokens within one."""
        ...
