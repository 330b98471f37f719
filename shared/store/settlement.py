"""Who won a conditional write, also where the answer to it was lost on the way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from shared.errors import StoreError, UnavailableError
from shared.store.s3_client import S3RefusedError

WRITER = "idiolect-writer"
_ROUNDS = 6
_FIRST_PAUSE = 0.05


def settled(attempt: Callable[[], object], owner: Callable[[], str | None], writer: str, named: str) -> bool:
    """Send a conditional write until it is known whether it won.

    Args:
        attempt: sends it, marked with `writer`; may be sent again, since all copies are the same write.
        owner: whose write stands now; None where there is none.

    UnavailableError where it can't be known: the write may still arrive.
    """
    doubtful = False
    for tried in range(_ROUNDS):
        try:
            attempt()
        except S3RefusedError as refusal:
            if refusal.status == 412 and not (doubtful or refusal.repeated):
                return False
            known = _known_after(refusal, owner(), writer, named)
        except UnavailableError:
            doubtful, known = True, _owned(owner(), writer)
        else:
            return True
        if known is not None:
            return known
        time.sleep(random.uniform(0, _FIRST_PAUSE * 2**tried))
    raise StoreError(f"{named}: no conditional write got through in {_ROUNDS} rounds; put it again later")


def _known_after(refusal: S3RefusedError, owner: str | None, writer: str, named: str) -> bool | None:
    """Whether the write won, as far as refusal and owner tell. UnavailableError where they never will."""
    if refusal.status == 412:
        return owner == writer
    if refusal.status == 409:
        return _owned(owner, writer)
    if owner is None:
        raise StoreError(f"{named}: {refusal}; put it again")
    return owner == writer


def _owned(owner: str | None, writer: str) -> bool | None:
    return None if owner is None else owner == writer
