"""The OpenAPI of the gateway: what FastAPI derives, and the published schemas that bodies are read by."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from services.gateway.evaluation_schemas import EvaluationCreate
from services.gateway.schemas import (
    Results,
    Rollouts,
    RolloutsCreate,
    Scores,
    ScoresCreate,
    Verifications,
    VerificationsCreate,
)
from services.gateway.training_schemas import TrainingStep

_REFS = "#/components/schemas/{model}"
_ALSO = (
    EvaluationCreate,
    Results,
    RolloutsCreate,
    Rollouts,
    Scores,
    ScoresCreate,
    TrainingStep,
    Verifications,
    VerificationsCreate,
)


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI of the app, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        _, also = models_json_schema([(kind, "validation") for kind in _ALSO], ref_template=_REFS)
        schemas.update(also["$defs"])
        schemas.update(_published("refinement_request.v1.json", "RefinementRequest"))
        _without_default_errors(made)
        app.openapi_schema = made
    return app.openapi_schema


def _published(file: str, name: str) -> dict[str, Any]:
    """A published schema and its parts as components."""
    text = (files("shared") / "schemas" / file).read_text(encoding="utf-8")
    schema = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
    parts: dict[str, Any] = schema.pop("$defs", {})
    return {name: {key: value for key, value in schema.items() if not key.startswith("$")}, **parts}


def _without_default_errors(made: dict[str, Any]) -> None:
    """What can't be read is answered with 400 in the envelope, never with FastAPI's own 422."""
    for path in made["paths"].values():
        for operation in path.values():
            said = operation["responses"].get("422", {})
            if "HTTPValidationError" in json.dumps(said):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(name, None)
