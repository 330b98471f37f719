"""What a study may name that somebody else's machine runs: names of models and ids of files, never paths."""

from __future__ import annotations

import re
from collections.abc import Container

from shared.errors import FieldError
from shared.jobs.ids import is_id
from shared.study.config import StudyConfig

OWN_MODELS = ("default",)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MINIATURE = re.compile(r"miniature:\d{1,9}")


def check_remote(config: StudyConfig) -> tuple[str, ...]:
    """The ids of uploaded files that a config names. FieldError for what only the command can be told."""
    for place, name in enumerate(config.student.models):
        if not (_MODEL.fullmatch(name) or _MINIATURE.fullmatch(name)):
            cure = "give miniature:SEED, default, or the name of a model that the host allows"
            raise FieldError(f"student.models[{place}]", f"is {name[:80]!r}, which is no name", cure)
    if config.reward is not None:
        raise FieldError("reward", "is not offered over HTTP", "leave it out, or run `idiolect study`")
    for name, table in config.oracles.items():
        if table.get("kind") != "miniature":
            problem = f"is {table.get('kind')!r:.80}, which is not offered over HTTP"
            raise FieldError(f"oracles.{name}.kind", problem, "use 'miniature', or run `idiolect study`")
    told = {"file": config.problems.file, "held_out_file": config.problems.held_out_file}
    files = {field: name for field, name in told.items() if name is not None}
    for field, name in files.items():
        if not is_id("file", name):
            cure = "upload it to /v1/files and give its id"
            raise FieldError(f"problems.{field}", f"is {name[:80]!r}, which is no id of a file", cure)
    return tuple(dict.fromkeys(files.values()))


def check_models(config: StudyConfig, allowed: Container[str], known: str) -> None:
    """FieldError for the first model that is not among those `allowed`; `known` names these for people."""
    for place, name in enumerate(config.student.models):
        if name not in OWN_MODELS and not _MINIATURE.fullmatch(name) and name not in allowed:
            cure = f"use miniature:SEED, default or one of: {known or 'none'}"
            raise FieldError(f"student.models[{place}]", f"{name!r} is not allowed by the host", cure)
