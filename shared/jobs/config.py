"""What a caller can choose about a job; an order holds it complete with defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from shared.errors import FieldError

_RENAMED = {"lambda": "weight"}
_SCORERS = ("proxy", "served", "none")


@dataclass(frozen=True, slots=True)
class JobConfig:
    """Settings of a job.

    Attributes:
        profile: id of the student's profile; None: one is fitted on the job's own lines where one is needed.
        student: name of the student, where a profile is fitted. scorer: ``proxy``, ``served`` or ``none``.
        alpha: share of native spans that the style gate may flag, where a profile is fitted.
        generate: let the student go on by itself. weight: lambda of utility. gate: ``enforce`` or ``report``.
        seed: start of every random choice.
        segment: cut given steps anew. author: whose text to take, where a line holds several authors'.
        samples, temperature, top_p, max_tokens: what is drawn for each problem of rollouts and evaluations.
        instruction, system: put behind and before each of these; None: what the student's service says.
        tokens: add the scores of every token to the lines of scores.
    """

    profile: str | None = None
    student: str = "student"
    scorer: str = "proxy"
    alpha: float = 0.05
    generate: bool = False
    weight: float = 1.0
    gate: str = "enforce"
    seed: int = 0
    segment: bool = False
    author: str | None = None
    samples: int = 4
    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 512
    tokens: bool = False
    instruction: str | None = None
    system: str | None = None

    def __post_init__(self) -> None:
        if self.scorer not in _SCORERS:
            raise FieldError("scorer", f"{self.scorer!r} is unknown", f"use one of {', '.join(_SCORERS)}")
        if not 0 < self.alpha < 1:
            raise FieldError("alpha", f"{self.alpha} is no share", "give a number between 0 and 1")
        if not self.weight >= 0:
            raise FieldError("lambda", f"{self.weight} is negative", "give a number >= 0")
        if self.gate not in ("enforce", "report"):
            raise FieldError("gate", f"{self.gate!r} is unknown", "use enforce or report")
        for name in ("samples", "max_tokens"):
            if getattr(self, name) < 1:
                raise FieldError(name, "is below 1", "give a positive whole number")
        if not self.temperature >= 0:
            raise FieldError("temperature", f"is {self.temperature}", "give a number >= 0")
        if not 0 < self.top_p <= 1:
            raise FieldError("top_p", f"is {self.top_p}", "give a number above 0 and up to 1")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> JobConfig:
        """What a caller gave, with defaults for the rest. FieldError names what can't be used."""
        named = {_RENAMED.get(name, name): value for name, value in given.items()}
        known = {field.name: field for field in fields(cls)}
        for name, value in named.items():
            if name not in known:
                raise FieldError(name[:80], "is no setting of a job", f"use {', '.join(sorted(known))}")
            _check_kind(name, value, str(known[name].type))
        return cls(**named)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, complete."""
        settings = asdict(self)
        settings["lambda"] = settings.pop("weight")
        return settings


_KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


def _check_kind(name: str, value: object, written: str) -> None:
    optional = written.endswith(" | None")
    kinds = _KINDS[written.removesuffix(" | None")]
    if value is None and optional:
        return
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise FieldError(name, f"is {value!r:.60}", f"give a {written}")
