"""The student's template under the name that this house knows it by; the trainer renders with the same one."""

from services.inference.prompting import StudentTemplate

__all__ = ["StudentTemplate"]
