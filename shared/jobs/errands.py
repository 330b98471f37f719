"""Errands: what is still to be done for a job that has ended, by any worker, at least once.

```
errands/TENANT/JOB/KIND              it is to be done; holds why it wasn't done so far, if somebody tried
t/TENANT/jobs/JOB/failed-errands/KIND    it can't be done, and why
```
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from shared.errors import NotFoundError
from shared.jobs.layout import JobKey
from shared.store.base import Store, every_key

ERRANDS = "errands/"


class Errand(StrEnum):
    """What is to be done: write the results as Parquet; write what came of the job to the caller's place."""

    PARQUET = "parquet"
    OUTPUT = "output"


def ask(store: Store, key: JobKey, errand: Errand) -> None:
    """Have it done."""
    store.put_if_absent(_place(key, errand), b"")


def waiting(store: Store) -> Iterator[tuple[JobKey, Errand]]:
    """All that are to be done."""
    for name in every_key(store, ERRANDS):
        _, tenant, job, kind = name.split("/")
        yield JobKey(tenant, job), Errand(kind)


def hindrance(store: Store, key: JobKey, errand: Errand) -> str | None:
    """Why it wasn't done so far, empty where nobody tried; None where it isn't to be done."""
    return _read(store, _place(key, errand))


def failure(store: Store, key: JobKey, errand: Errand) -> str | None:
    """Why it can't be done; None where it may."""
    return _read(store, _failed(key, errand))


def hinder(store: Store, key: JobKey, errand: Errand, reason: str) -> None:
    """Say why it wasn't done yet."""
    store.put(_place(key, errand), reason.encode("utf-8", "backslashreplace"))


def fail(store: Store, key: JobKey, errand: Errand, reason: str) -> None:
    """Say why it can't be done."""
    store.put(_failed(key, errand), reason.encode("utf-8", "backslashreplace"))
    settle(store, key, errand)


def settle(store: Store, key: JobKey, errand: Errand) -> None:
    """It isn't to be done any more."""
    store.delete(_place(key, errand))


def _read(store: Store, place: str) -> str | None:
    try:
        return store.get(place).decode()
    except NotFoundError:
        return None


def _place(key: JobKey, errand: Errand) -> str:
    return f"{ERRANDS}{key.tenant}/{key.job}/{errand}"


def _failed(key: JobKey, errand: Errand) -> str:
    return f"{key.folder}failed-errands/{errand}"
