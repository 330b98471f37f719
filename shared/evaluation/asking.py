"""Asks a generator one problem and grades its samples: the same wherever generator and verifier are."""

from __future__ import annotations

import hashlib

from shared.domain import EvaluationProblem, EvaluationSettings, Graded, GradedSample
from shared.errors import FieldError
from shared.ports import GenerationRequest, Generator, Verifier


def seed_of(seed: int, problem: str) -> int:
    """The seed of one problem's samples, from that of the evaluation and the problem's id; below 2^62.

    So a sample depends on (seed, id, its index) only, not on what else is asked, or in which order.
    """
    digest = hashlib.sha256(f"{seed}/{problem}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) >> 2


def check_settings(settings: EvaluationSettings) -> None:
    """Raises FieldError for settings that can't be asked with."""
    for name in ("samples", "max_tokens"):
        if getattr(settings, name) < 1:
            raise FieldError(name, f"is {getattr(settings, name)}", "give a positive whole number")
    if not 0 <= settings.temperature < float("inf"):
        raise FieldError("temperature", f"is {settings.temperature}", "give a number that is 0 or more")
    if not 0 < settings.top_p <= 1:
        raise FieldError("top_p", f"is {settings.top_p}", "give a number above 0 and up to 1")


def ask(
    generator: Generator, verifier: Verifier, problem: EvaluationProblem, settings: EvaluationSettings
) -> Graded:
    """The problem with its graded samples, in order of their index.

    What the settings leave open of instruction and system is the generator's own.
    """
    made = generator.generate(
        GenerationRequest(
            problem=problem.text,
            n=settings.samples,
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            seed=seed_of(settings.seed, problem.id),
            instruction=settings.instruction,
            system=settings.system,
        )
    )
    samples = (
        GradedSample(one.text, one.tokens, one.finished, verifier.verify(one.text, problem.gold))
        for one in made
    )
    return Graded(problem, tuple(samples))
