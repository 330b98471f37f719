"""The proof that a store keeps its one promise, made before a service starts on it."""

from __future__ import annotations

import uuid

from shared.errors import IntegrityError
from shared.store.base import ConditionalPut, Store

_FIRST, _SECOND = b"first", b"second"


def prove(store: Store) -> None:
    """Put a key twice in every way the store has, and read what stands.

    IntegrityError where a second put is not refused or replaces the first, UnavailableError where the store
    can't be used. It shows that the store heeds the condition, not that it does so in a race.
    """
    for number, put in enumerate(store.conditional_puts()):
        key = f"proof/{uuid.uuid4().hex}-{number}"
        try:
            _prove_one(store, put, key)
        finally:
            store.delete(key)


def _prove_one(store: Store, put: ConditionalPut, key: str) -> None:
    where = f"the store {store.describe()} refuses to start"
    if not put(key, _FIRST):
        raise IntegrityError(f"{where}: a put of a new key was refused")
    if put(key, _SECOND):
        raise IntegrityError(f"{where}: a second put of one key won, so results could be committed twice")
    if store.get(key) != _FIRST:
        raise IntegrityError(f"{where}: a put that lost has changed the object")
