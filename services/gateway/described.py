"""What routes share in the OpenAPI: the errors they may answer with, and bodies read as they come."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from services.gateway.options import JSONL
from services.gateway.schemas import ErrorEnvelope, JobObject

Responses = dict[int | str, dict[str, Any]]

_SAID = {
    400: "The request can't be used; `param` names the field and `message` the cure.",
    401: "No valid key came along.",
    403: "This key may not do that, or not there.",
    404: "There is no such thing, or it is another tenant's.",
    408: "The body comes too slowly.",
    409: "It contradicts what is there: other settings than before, or another model.",
    413: "The body is too long.",
    415: "The media type or the encoding can't be read.",
    422: "The Idempotency-Key was used with another body.",
    429: "Too many requests, or a budget is spent; Retry-After says when to ask again.",
    406: "This form of the results isn't there.",
    501: "The engine that is set up can't do this.",
    503: "A part is missing or busy; Retry-After says when to ask again.",
}
_ALWAYS = (400, 401, 413, 415, 429, 503)
_RETRY = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string"}, "required": False},
}


def errors_of(*statuses: int) -> Responses:
    """These errors and those that every route under /v1 may answer with."""
    return {status: _described(status) for status in sorted({*_ALWAYS, *statuses})}


def _described(status: int) -> dict[str, Any]:
    said: dict[str, Any] = {"model": ErrorEnvelope, "description": _SAID[status]}
    if status in (429, 503):
        said["headers"] = _RETRY
    return said


def streamed_body(schema: str, example: dict[str, Any], line: str) -> dict[str, Any]:
    """A body of JSON or JSON Lines of objects of that component."""
    one = {"$ref": f"#/components/schemas/{schema}"}
    rows = {"schema": {"type": "string", "description": line, "examples": [_row(example)]}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]},
                    "example": example,
                },
                JSONL[0]: rows,
            },
        }
    }


def json_or_lines(kind: type[BaseModel], line: dict[str, Any]) -> dict[str, Any]:
    """A body of one JSON object of that kind, or of JSON Lines."""
    rows = {"schema": {"type": "string", "examples": [_row(line)]}}
    one = {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}
    return {"requestBody": {"required": True, "content": {"application/json": one, JSONL[0]: rows}}}


def in_place_or_job(kind: type[BaseModel]) -> Responses:
    """The answer to a JSON body, or the job (with its results, where it is small) of JSON Lines."""
    shown = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in (kind.__name__, "Results")]}
    return {
        200: {"description": "Answered in place.", "content": {"application/json": {"schema": shown}}},
        202: accepted_response(),
    }


def accepted_response() -> dict[str, Any]:
    """A job, accepted."""
    return {
        "model": JobObject,
        "description": "A job was accepted; it will end, whatever fails meanwhile.",
        "headers": {"Location": {"description": "Where the job is.", "schema": {"type": "string"}}},
    }


def _row(example: dict[str, Any]) -> str:
    return json.dumps(example) + "\n"


def streamed_response(media_type: str, description: str, example: str) -> dict[str, Any]:
    """An answer that is sent piece by piece."""
    content = {media_type: {"schema": {"type": "string"}, "example": example}}
    return {"description": description, "content": content}
