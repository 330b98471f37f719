"""JSON bodies that are small enough to be read whole."""

from __future__ import annotations

from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

Model = TypeVar("Model", bound=BaseModel)


async def read_json(request: Request, kind: type[Model]) -> Model:
    """The body as a `kind`. RequestValidationError where it is none."""
    data = await request.body()
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from None
