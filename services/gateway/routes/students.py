"""Profiles of students."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.auth import Caller
from services.gateway.bodies import lines
from services.gateway.described import errors_of
from services.gateway.files import Files
from services.gateway.house import Asked, Here, House
from services.gateway.profiles import Profiles, service_name
from services.gateway.schemas import StudentCreate, StudentList, StudentObject
from shared.clients.student import StudentClient
from shared.domain import StudentProfile
from shared.errors import FieldError, IdiolectError
from shared.jsonl import BadLine, RawLine, parse_line
from shared.shapes import parser

router = APIRouter(prefix="/v1/students", tags=["students"])


@router.post("", status_code=201, responses=errors_of(404, 409, 501))
async def create_student(asked: StudentCreate, house: Here, caller: Asked) -> StudentObject:
    """Fit a profile on the student's own samples. The same samples and settings give the same profile."""
    return await asyncio.to_thread(_built, house, caller, asked)


def _built(house: House, caller: Caller, asked: StudentCreate) -> StudentObject:
    if (asked.samples is None) == (asked.input_file_id is None):
        raise FieldError("samples", "and input_file_id are both there or both missing", "give one of the two")
    if asked.samples is not None:
        samples: Iterator[tuple[str, str]] = iter([(one.problem, one.text) for one in asked.samples])
    else:
        files = Files(house.store, caller.tenant)
        samples = _samples(lines(files.content(asked.input_file_id or "")))
    profile = _fitted(house.asked_student(), service_name(caller.tenant, asked.name), asked, samples)
    return Profiles(house.store, caller.tenant).note(profile)


def _fitted(
    student: StudentClient, name: str, asked: StudentCreate, samples: Iterator[tuple[str, str]]
) -> StudentProfile:
    """The profile. What samples raise would be lost in gRPC's own thread, so it is kept and raised here."""
    kept: list[FieldError] = []

    def sent() -> Iterator[tuple[str, str]]:
        try:
            yield from samples
        except FieldError as error:
            kept.append(error)
            raise

    served = asked.scorer == "served"
    try:
        return student.build_profile(name, sent(), alpha=asked.alpha, served=served, native=asked.native)
    except IdiolectError:
        if kept:
            raise kept[0] from None
        raise


def _samples(rows: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """(problem, text) of every line. FieldError for the first that can't be used."""
    read = parser()
    for number, row in enumerate(rows, 1):
        if not row.strip():
            continue
        found = parse_line(RawLine(number, 0, row), read)
        if isinstance(found, BadLine):
            raise FieldError(f"input_file_id: line {number}: {found.field}", found.problem, found.cure)
        yield found.problem.text, found.text


@router.get("", responses=errors_of())
def list_students(
    house: Here,
    caller: Asked,
    after: Annotated[str, Query(max_length=80, pattern=r"^[A-Za-z0-9@_-]*$")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> StudentList:
    """Profiles that this tenant built, by name."""
    found = list(Profiles(house.store, caller.tenant).page(after, limit + 1))
    return StudentList(data=found[:limit], has_more=len(found) > limit)


@router.get("/{profile_id}", responses=errors_of(404))
def get_student(profile_id: str, house: Here, caller: Asked) -> StudentObject:
    """One profile."""
    return Profiles(house.store, caller.tenant).get(profile_id)
