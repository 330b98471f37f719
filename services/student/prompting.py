"""The student's template by the name that this house knows it by; the trainer renders with the same."""

from services.inference.prompting import StudentTemplate

__all__ = ["StudentTemplate"]
