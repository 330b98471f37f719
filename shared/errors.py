"""The error tree of the whole project, mapped once per door (exit code, gRPC status, HTTP status).

IdiolectError
|-- InputError              the caller's fault: names the field and the cure
|   |-- FieldError          one field of one item is unusable
|   |-- DriftError          a resume found other input or configuration than before
|   |-- MismatchError       another model is served than the caller expects
|   `-- NotFoundError       what was named is not there
|-- UnavailableError        a part that is needed is not there (model, package, service)
|   |-- BusyError           it comes back by itself: loading, draining
|   |   |-- AsleepError     somebody else has its accelerator, under a lease
|   |   `-- LimitedError    it is there, and takes no more calls for now
|   |-- EngineLostError     the engine died; whoever runs it builds it anew
|   `-- StoreError          the artifact store can't be read or written now, for example because it is full
|-- UnsupportedError        this engine can't do that at all
|-- StoppedError            the caller ended the work; what was done is kept
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


class MismatchError(InputError):
    """Another model is served than the caller expects.

    Attributes:
        expected, served: digests of the two models.
    """

    def __init__(self, expected: str, served: str) -> None:
        super().__init__(expected, served)
        self.expected = expected
        self.served = served

    def __str__(self) -> str:
        return (
            f"model_digest: {self.expected} is expected but {self.served} is served; "
            "ask GetInfo what is served and decide whether to go on with it"
        )


class NotFoundError(InputError):
    """What was named is not there; the message says how to make it."""


class UnavailableError(IdiolectError):
    """A model, package or service that is needed isn't there; the message says how to get it.

    Attributes:
        service, method: the call that failed, where it was one. reached: whether the service itself said so.
        passing: whether the same call may succeed in a moment.
    """

    service: str = ""
    method: str = ""
    reached: bool = True
    passing: bool = False


class BusyError(UnavailableError):
    """A part will be there again by itself.

    Attributes:
        reason: why it isn't now. retry_after: seconds after which it is worth asking again.
    """

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason, retry_after)
        self.reason = reason
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.reason}; try again in {self.retry_after:g} s"


class AsleepError(BusyError):
    """Somebody else has the accelerator, under a lease that ends by itself."""


class LimitedError(BusyError):
    """A limit of calls or tokens in a time is reached; the part is there."""


class EngineLostError(UnavailableError):
    """An engine died with its work; the calls it held can be made again."""


class StoreError(UnavailableError):
    """The artifact store can't be read or written now."""


class UnsupportedError(IdiolectError):
    """An engine can't do this at all; the message says which can."""


class StoppedError(IdiolectError):
    """The caller ended the work; what was done so far is kept."""


class IntegrityError(IdiolectError):
    """A guarantee would be broken by going on; nothing was written."""


class BudgetError(IdiolectError):
    """A limit of time, memory, tokens or cost ended the work."""


NO_ITEMS_FAULT = (
    BudgetError,
    DriftError,
    MismatchError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
"""A part is gone, spent or another one: the next item would fare no better, so these end work on many."""
