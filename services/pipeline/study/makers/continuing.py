"""Lets the student generate for a maker: the requests in tasks, in whatever workers the study has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.pipeline.study.makers.base import Batch
from services.pipeline.study.tasks import Continue, Tagged
from shared.ports import Generation, GenerationRequest

_CHUNK = 32


def continued(batch: Batch, requests: Sequence[GenerationRequest]) -> list[list[Generation]]:
    """The samples of each request, in order."""
    chunks = [tuple(requests[start : start + _CHUNK]) for start in range(0, len(requests), _CHUNK)]
    answers: dict[str, list[list[Generation]]] = {}

    def settle(tag: str, result: Any) -> list[Tagged]:
        answers[tag] = result
        return []

    tasks = [
        Tagged(str(place), Continue(batch.student.model, chunk, batch.template), "arms")
        for place, chunk in enumerate(chunks)
    ]
    batch.parts.workers.run(tasks, settle)
    return [samples for place in range(len(chunks)) for samples in answers[str(place)]]
