"""A store that breaks its promise is found before a service starts on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import IntegrityError
from shared.store import Payload, Store, prove
from shared.store.local import LocalStore
from shared.store.memory import MemoryStore


class LastWins(MemoryStore):
    """Heeds no condition, as a server does that doesn't know the header."""

    def put_if_absent(self, key: str, data: Payload) -> bool:
        self.put(key, data)
        return True


class SaysNoAndWrites(LocalStore):
    """Tells the truth about the race, and overwrites all the same."""

    def put_if_absent(self, key: str, data: Payload) -> bool:
        won = not self.exists(key)
        self.put(key, data)
        return won


class NeverWins(MemoryStore):
    """Refuses every put."""

    def put_if_absent(self, key: str, data: Payload) -> bool:
        return False


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (LastWins, "second put of one key won"),
        (SaysNoAndWrites, "has changed the object"),
        (NeverWins, "new key"),
    ],
)
def test_a_broken_store_refuses_to_start(kind: type, reason: str, tmp_path: Path) -> None:
    broken: Store = kind(tmp_path) if issubclass(kind, LocalStore) else kind()
    with pytest.raises(IntegrityError, match=f"refuses to start: .*{reason}"):
        prove(broken)
