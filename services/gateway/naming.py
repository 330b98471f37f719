"""What an ``Idempotency-Key`` stands for, beside jobs: one id, whoever asks how often."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shared.errors import DriftError
from shared.jobs.ids import new_id
from shared.store import Store


class IdempotencyName:
    """An ``Idempotency-Key`` of a tenant: the id that it stands for, of that kind, and what was asked."""

    def __init__(self, store: Store, tenant: str, key: str, kind: str) -> None:
        self._store, self._kind = store, kind
        self._place = f"t/{tenant}/idempotency/{hashlib.sha256(key.encode()).hexdigest()}/{kind}"

    def given_to(self, wish: Mapping[str, Any]) -> tuple[str, bool]:
        """The id, and whether it was given before. DriftError where it was given to another wish."""
        found = new_id(self._kind)
        told = json.dumps({"id": found, "asked": wish}).encode()
        if self._store.put_if_absent(self._place, told):
            return found, False
        before = json.loads(self._store.get(self._place))
        changed = tuple(
            f"{name}: {json.dumps(before['asked'].get(name))} -> {json.dumps(value)}"
            for name, value in wish.items()
            if before["asked"].get(name) != value
        )
        if changed:
            raise DriftError(changed)
        return str(before["id"]), True

    def forget(self) -> None:
        """Nothing came of it."""
        self._store.delete(self._place)
