"""Whose profile is whose: the student service has one shelf, on which names begin with their tenant.

A profile that a tenant names ``mine`` is ``TENANT.mine`` at the student; names of tenants hold no
point, so that no two meet. What a tenant built is noted in the store, and only that can be named by it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

from services.gateway.schemas import StudentObject
from shared.domain import StudentProfile
from shared.errors import NotFoundError
from shared.store import Store

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}@[0-9a-f]{16}")


def service_name(tenant: str, name: str) -> str:
    """What the student service calls it; also for ids."""
    return f"{tenant}.{name}"


def public_id(tenant: str, profile_id: str) -> str:
    """What the tenant calls it."""
    return profile_id.removeprefix(f"{tenant}.")


class Profiles:
    """The profiles that a tenant has built."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant
        self._folder = f"t/{tenant}/students/"

    def note(self, profile: StudentProfile) -> StudentObject:
        """Note a profile that was built for the tenant."""
        noted = StudentObject(
            id=public_id(self._tenant, profile.id),
            name=public_id(self._tenant, profile.name),
            samples=profile.samples,
            scorer=profile.scorer.name,
            label=profile.scorer.label,
            alpha=profile.alpha,
            created_at=int(time.time()),
        )
        self._store.put_if_absent(self._folder + noted.id, noted.model_dump_json().encode())
        return self.get(noted.id)

    def get(self, profile_id: str) -> StudentObject:
        """The profile. NotFoundError where the tenant built none of that id."""
        missing = f"profile {profile_id[:80]!r}: there is no such profile; build it with POST /v1/students"
        if not _ID.fullmatch(profile_id):
            raise NotFoundError(missing)
        try:
            return StudentObject(**json.loads(self._store.get(self._folder + profile_id)))
        except NotFoundError:
            raise NotFoundError(missing) from None

    def page(self, after: str, limit: int) -> Iterator[StudentObject]:
        """At most `limit` profiles behind `after`, by name."""
        last = self._folder + after if after else ""
        for key in self._store.list(self._folder, last, limit):
            yield self.get(key.removeprefix(self._folder))

    def service_id(self, profile_id: str | None) -> str | None:
        """What the student service calls a profile that this tenant may use. NotFoundError for others."""
        return None if profile_id is None else service_name(self._tenant, self.get(profile_id).id)
