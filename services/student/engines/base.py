"""What every engine of this house is made of: the ports, and the check of what comes in."""

from __future__ import annotations

from shared.errors import FieldError
from shared.ports import GenerationRequest, Generator, Scorer

__all__ = ["Generator", "Scorer", "check_generation"]


def check_generation(request: GenerationRequest) -> None:
    """Raises FieldError for a request that no engine can serve."""
    if not request.problem.strip():
        raise FieldError("problem", "is empty", "give the text of the problem")
    if not 0 <= request.temperature < float("inf"):
        raise FieldError("temperature", f"is {request.temperature}", "give a number that is 0 or more")
    if request.n < 1:
        raise FieldError("n", f"is {request.n}", "ask for at least one sample")
    if not 0 < request.top_p <= 1:
        raise FieldError("top_p", f"is {request.top_p}", "give a number above 0 and up to 1")
    if request.max_tokens < 1:
        raise FieldError("max_tokens", f"is {request.max_tokens}", "allow at least one new token")
