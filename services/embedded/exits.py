"""Exit codes of the command line, mapped from the error tree in one place.

| code | meaning |
|---|---|
| 0 | done |
| 1 | a defect of this program; the traceback says where |
| 2 | wrong usage, or input that can't be used |
| 3 | done, but some lines are in the error file |
| 4 | a resume was refused, because input, settings, profile or engines changed |
| 5 | a model or package that is needed isn't there |
| 6 | a guarantee would have been broken; nothing wrong was written |
| 7 | a limit of time, memory or tokens ended the work |
| 130 | interrupted; the same command goes on where it stopped |
| 141 | whoever read the output went away |
"""

from __future__ import annotations

from shared.errors import (
    BudgetError,
    DriftError,
    IdiolectError,
    InputError,
    IntegrityError,
    UnavailableError,
    UnsupportedError,
)

DONE = 0
BAD_INPUT = 2
BAD_LINES = 3
DRIFT = 4
UNAVAILABLE = 5
INTEGRITY = 6
BUDGET = 7
INTERRUPTED = 130
BROKEN_PIPE = 141

_CODES: tuple[tuple[type[IdiolectError], int], ...] = (
    (DriftError, DRIFT),
    (InputError, BAD_INPUT),
    (UnavailableError, UNAVAILABLE),
    (UnsupportedError, UNAVAILABLE),
    (IntegrityError, INTEGRITY),
    (BudgetError, BUDGET),
)


def exit_code(error: IdiolectError) -> int:
    """Code of the nearest named ancestor of `error`; 1 where it has none."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)
