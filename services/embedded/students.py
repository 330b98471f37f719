"""Students as a run knows them: fitted in this process, or by the student service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.clients.student import ProfileGate, ProfileScorer, StudentClient
from shared.domain import StudentProfile
from shared.errors import FieldError, NotFoundError
from shared.ports import Scorer, StyleGate

if TYPE_CHECKING:
    from services.student.profile import FittedStudent

Sample = tuple[str, str]
_POINTER = "served.json"


@dataclass(frozen=True, slots=True)
class KnownStudent:
    """Everything that speaks for a student.

    Attributes:
        profile: its profile. scorer: scores texts. gate: judges edited spans.
        kind: ``proxy``, ``transformers`` or ``served``. model: of the scorer, None for the default.
        save: writes a folder by which it is found again.
    """

    profile: StudentProfile
    scorer: Scorer
    gate: StyleGate
    kind: str
    model: str | None
    save: Callable[[Path], None]


def fitted_here(student: FittedStudent) -> KnownStudent:
    """A student that was fitted in this process."""
    return KnownStudent(
        student.profile, student.scorer, student.gate, student.kind, student.model, student.save
    )


def fitted_there(
    client: StudentClient, name: str, samples: Iterable[Sample], *, kind: str, alpha: float
) -> KnownStudent:
    """Let the student service fit a profile, on a proxy or with the model that it serves."""
    if kind not in ("proxy", "served"):
        cure = "use proxy or served, or let the service serve a model and leave --scorer out"
        raise FieldError("--scorer", f"{kind!r} is no scorer of the student service", cure)
    return _there(client, client.build_profile(name, samples, alpha=alpha, served=kind == "served"))


def load_there(client: StudentClient, profile_id: str) -> KnownStudent:
    """A student whose profile the service has. NotFoundError where it has none of that name."""
    return _there(client, client.profile(profile_id))


def remembered_there(client: StudentClient, folder: Path) -> KnownStudent | None:
    """The student that `save` remembered in the folder; None where the service has lost its profile."""
    pointer = folder / _POINTER
    if not pointer.is_file():
        problem = "holds a profile that was not built by a student service"
        raise FieldError(str(folder), problem, "leave --student out as before, or start anew with --fresh")
    try:
        return load_there(client, json.loads(pointer.read_text(encoding="utf-8"))["profile"])
    except NotFoundError:
        return None


def _there(client: StudentClient, profile: StudentProfile) -> KnownStudent:
    kind = "proxy" if profile.scorer.label == "proxy" else "served"

    def save(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _POINTER).write_text(json.dumps({"profile": profile.id}) + "\n", encoding="utf-8")

    scorer, gate = ProfileScorer(client, profile), ProfileGate(client)
    return KnownStudent(profile, scorer, gate, kind, None, save)
