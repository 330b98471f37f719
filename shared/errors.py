"""The error tree of the whole project, mapped once per door (exit code, gRPC status, HTTP status).

IdiolectError
|-- InputError              the caller's fault: names the field and the cure
|   |-- FieldError          one field of one item is unusable
|   `-- DriftError          a resume found other input or configuration than before
|-- UnavailableError        a part that is needed is not there (model, package, service)
|-- IntegrityError          a guarantee would be broken; nothing was written
`-- BudgetError             a time, memory, token or cost limit ended the work

Every error can be pickled, because errors cross process borders.
"""

from __future__ import annotations


class IdiolectError(Exception):
    """Base of everything this project raises on purpose."""


class InputError(IdiolectError):
    """The input can't be used; the message says what to change."""


class FieldError(InputError):
    """One field of one item is unusable.

    Attributes:
        field: dotted path of the field, for example ``steps[2]``.
        problem: what is wrong with it.
        cure: what the caller can do about it.
    """

    def __init__(self, field: str, problem: str, cure: str) -> None:
        super().__init__(field, problem, cure)
        self.field = field
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}; {self.cure}"


class DriftError(InputError):
    """A resume was asked for with changed input or configuration.

    Attributes:
        differences: one readable line a difference, ``name: before -> now``.
    """

    def __init__(self, differences: tuple[str, ...]) -> None:
        super().__init__(differences)
        self.differences = differences

    def __str__(self) -> str:
        return "refusing to resume, because this changed: " + "; ".join(self.differences)


class UnavailableError(IdiolectError):
    """A model, package or service that is needed isn't there; the message says how to get it."""


class IntegrityError(IdiolectError):
    """A guarantee would be broken by going on; nothing was written."""


class BudgetError(IdiolectError):
    """A limit of time, memory, tokens or cost ended the work."""
