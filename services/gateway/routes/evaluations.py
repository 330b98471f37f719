"""Evaluations: the student's samples of a problem set, graded by the oracle, and what they come to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from services.gateway.accepting import Wish
from services.gateway.answering import Headers
from services.gateway.auth import Caller
from services.gateway.bodies import lines
from services.gateway.described import accepted_response, errors_of, json_or_lines
from services.gateway.errors import HttpError
from services.gateway.evaluation_schemas import EvaluationComparison, EvaluationCreate, EvaluationSummary
from services.gateway.house import Asked, Here, House
from services.gateway.options import EvaluationOptions, is_json
from services.gateway.reading import read_json
from services.gateway.routes.jobs import accepted_view, job_of
from services.gateway.taking import FromBody, taken
from shared.errors import FieldError, NotFoundError
from shared.evaluation.figures import summary
from shared.evaluation.lines import to_graded
from shared.evaluation.paired import comparison
from shared.evaluation.problemsets import SHIPPED, load_set, to_problem
from shared.evaluation.tally import ProblemTally, tallies
from shared.jobs.order import JobEnd, JobOrder, Operation
from shared.jsonl import BadLine, RawLine, dump_line, parse_line

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])

MOST_PROBLEMS = 100_000
_LINE = {"id": "1", "problem": "What is 6 * 7?", "gold": "42", "level": "1", "subject": "Arithmetic"}
Result = TypeVar("Result")


@router.post(
    "",
    status_code=202,
    response_model=None,
    responses={202: accepted_response(), **errors_of(404, 408, 409, 422)},
    openapi_extra=json_or_lines(EvaluationCreate, _LINE),
)
async def create_evaluation(
    request: Request,
    house: Here,
    caller: Asked,
    options: Annotated[EvaluationOptions, Query()],
    headers: Annotated[Headers, Headers.parameter()],
) -> Response:
    """A job that asks the student each problem k times: problems as JSON Lines, or a shipped set by name.

    A line has `problem` (or `question`), `gold` (or `answer`), and optionally `id` (or `unique_id`), `level`,
    `subject` and `groups`. A set with a line that can't be used, or an id that comes twice, is refused whole.
    The job's results are the graded problems, every sample with its verdict.
    """
    wish = Wish(caller.tenant, Operation.EVALUATE, {**options.config(), "profile": None})
    source: FromBody | _FromSet = FromBody(house, request)
    if is_json(request):
        source = _FromSet(await read_json(request, EvaluationCreate))
    order = await taken(house, source, wish, _checked, headers.idempotency_key)
    shown = await asyncio.to_thread(accepted_view, house, order)
    return JSONResponse(shown.model_dump(mode="json"), 202, headers={"Location": f"/v1/jobs/{order.key.job}"})


@router.get("/{job_id}/summary", responses=errors_of(404, 409))
def get_summary(job_id: str, house: Here, caller: Asked) -> EvaluationSummary:
    """The figures of an evaluation that has ended: Avg@k with its interval, pass@j, maj@k, tables by group.

    409 while it goes on. Of a job that was cancelled, the figures are those of the finished problems.
    """
    order, end = _ended(house, caller, job_id)
    figures = _figures(house, order)
    prepared = house.desk.prepared(order)
    model = prepared.identity.get("student.digest") if prepared else None
    return EvaluationSummary(
        job=job_id,
        status=end.state,
        model=None if model is None else str(model),
        lines=order.lines,
        without_record=order.lines - figures["problems"],
        passes=figures.pop("pass"),
        **figures,
    )


@router.get("/{job_id}/comparison", responses=errors_of(404, 409))
def get_comparison(
    job_id: str,
    house: Here,
    caller: Asked,
    other: Annotated[
        str, Query(alias="with", min_length=1, max_length=80, description="The job to compare with.")
    ],
) -> EvaluationComparison:
    """Avg@k of an ended evaluation minus that of another, paired by problem, with a 95 % bootstrap interval.

    409 while one of the two goes on (`not_ended`), and where they weren't asked the same problems equally
    often (`not_comparable`): the error names the difference.
    """
    one, another = (_tallies(house, _ended(house, caller, name)[0]) for name in (job_id, other))
    try:
        found = comparison(one, another)
    except FieldError as error:
        raise HttpError(409, str(error), "not_comparable", param="with") from None
    return EvaluationComparison(a=job_id, b=other, **found)


def _ended(house: House, caller: Caller, job_id: str) -> tuple[JobOrder, JobEnd]:
    """An evaluation and its end. NotFoundError where the job is none, HttpError 409 while it goes on."""
    order = job_of(house, caller, job_id)
    if order.operation is not Operation.EVALUATE:
        raise NotFoundError(f"job {job_id}: is no evaluation")
    end = house.desk.end(order.key)
    if end is None:
        text = f"job {job_id}: the evaluation goes on; ask again once it has ended"
        raise HttpError(409, text, "not_ended")
    return order, end


def _tallies(house: House, order: JobOrder) -> list[ProblemTally]:
    return tallies(to_graded(json.loads(record), line) for line, record in house.desk.results(order))


def _figures(house: House, order: JobOrder) -> dict[str, Any]:
    graded = (to_graded(json.loads(record), line) for line, record in house.desk.results(order))
    return summary(graded).to_json()


@dataclass(frozen=True, slots=True)
class _FromSet:
    """The lines of a shipped set."""

    asked: EvaluationCreate

    async def run(self, work: Callable[[Iterator[bytes]], Result]) -> Result:
        """See Source."""
        return await asyncio.to_thread(lambda: work(self._rows()))

    def _rows(self) -> Iterator[bytes]:
        if self.asked.set not in SHIPPED:
            raise FieldError("set", f"{self.asked.set!r} is unknown", f"use one of {', '.join(SHIPPED)}")
        for one in islice(load_set(self.asked.set), self.asked.limit):
            yield dump_line({"id": one.id, "problem": one.text, "gold": one.gold, "groups": dict(one.groups)})


def _checked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a set. FieldError for the first that is no problem, or has an id that stood before."""
    seen: set[str] = set()
    for number, line in enumerate(lines(chunks), 1):
        if line.strip():
            _check(RawLine(number, 0, line), seen)
        yield line


def _check(raw: RawLine, seen: set[str]) -> None:
    found = parse_line(raw, to_problem)
    if isinstance(found, BadLine):
        raise FieldError(f"line {raw.number}: {found.field}", found.problem, found.cure)
    if found.id in seen:
        problem = f"{found.id[:80]!r} stood on a line before"
        raise FieldError(f"line {raw.number}: id", problem, "give every problem an id of its own")
    if len(seen) >= MOST_PROBLEMS:
        raise FieldError("body", f"holds more than {MOST_PROBLEMS} problems", "evaluate on several sets")
    seen.add(found.id)
