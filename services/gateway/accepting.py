"""Makes jobs of lines; under an ``Idempotency-Key`` one job, whoever asks how often."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gateway.errors import HttpError
from shared.errors import DriftError, NotFoundError
from shared.jobs.desk import JobDesk
from shared.jobs.ids import is_id, new_id
from shared.jobs.intake import accept, discard, take_in
from shared.jobs.layout import JobKey
from shared.jobs.order import JobOrder, Operation
from shared.store import Store
from shared.tracing import carried, remark

JOB = "job"
_BEAT_SECONDS = 10.0


def order_of(desk: JobDesk, tenant: str, job: str) -> JobOrder:
    """The job of that id. NotFoundError where the tenant has none."""
    if not is_id(JOB, job):
        raise NotFoundError(f"job {job[:80]!r}: there is no such job")
    return desk.order(JobKey(tenant, job))


@dataclass(frozen=True, slots=True)
class Wish:
    """A job as its caller wants it, without its lines. `config` is complete with defaults."""

    tenant: str
    operation: Operation
    config: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    budget: int | None = None
    webhook: str | None = None
    output: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """All that must be the same where the wish is repeated."""
        return {
            **{f"config.{name}": value for name, value in self.config.items()},
            "operation": self.operation.value,
            "budget": self.budget,
            "webhook": self.webhook,
            "output": self.output,
        }


def stored(store: Store, wish: Wish, lines: Iterable[bytes]) -> JobOrder:
    """Store the lines of a wish; the order is not accepted yet. FieldError where there is no line."""
    key = JobKey(wish.tenant, new_id(JOB))
    try:
        taken = take_in(store, key, lines)
    except BaseException:
        discard(store, key)
        raise
    remark("idiolect.job", key.job)
    return JobOrder(
        key=key,
        operation=wish.operation,
        config=wish.config,
        digests={"input.sha256": taken.sha256, "config.sha256": _digest(wish.settings)},
        lines=taken.lines,
        shards=taken.shards,
        created=time.time(),
        source=wish.source,
        budget=wish.budget,
        webhook=wish.webhook,
        labels=wish.labels,
        output=wish.output,
        trace=carried(),
    )


def _digest(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def differences(order: JobOrder, wish: Wish) -> tuple[str, ...]:
    """One readable line for each setting of a wish that an accepted order has otherwise."""
    before = Wish(
        wish.tenant,
        order.operation,
        order.config,
        budget=order.budget,
        webhook=order.webhook,
        output=order.output,
    ).settings
    now = wish.settings
    names = sorted(before.keys() | now.keys())
    return tuple(
        f"{name}: {json.dumps(before.get(name))} -> {json.dumps(now.get(name))}"
        for name in names
        if before.get(name) != now.get(name)
    )


class Decision:
    """One object that says which of several tries counts; whoever sees it can complete what it says."""

    def __init__(self, store: Store, place: str) -> None:
        self._store = store
        self.place = place

    def made(self) -> JobOrder | None:
        """The job that was decided for, accepted for sure; None before. NotFoundError once it is deleted."""
        try:
            order = JobOrder.from_bytes(self._store.get(self.place))
        except NotFoundError:
            return None
        self._check_there(order)
        if not self._store.exists(order.key.order) and not accept(self._store, order):
            self._check_there(order)
        return order

    def _check_there(self, order: JobOrder) -> None:
        if self._store.exists(order.key.deleted):
            raise NotFoundError(f"job {order.key.job}: it was deleted; use another Idempotency-Key")

    def settle(self, order: JobOrder) -> JobOrder:
        """Decide for this order, unless another was first, which then holds; the lines of this one go."""
        self._store.put_if_absent(self.place, order.to_bytes())
        made = self.made()
        if made is None or made.key != order.key:
            discard(self._store, order.key)
        return made or order


class Claim:
    """An ``Idempotency-Key`` of a tenant.

    Whoever puts the claim first takes the body in, and the others wait. It only saves work: which job counts
    is said by the decision, so that a claim whose holder died may be taken over.
    """

    def __init__(self, store: Store, tenant: str, name: str, stale_seconds: float) -> None:
        self._store = store
        self._folder = f"t/{tenant}/idempotency/{hashlib.sha256(name.encode()).hexdigest()}/"
        self._stale = stale_seconds
        self._place = f"{self._folder}claim"
        self.decision = Decision(store, f"{self._folder}decision")

    def take(self) -> bool:
        """Whether the caller holds it now; a claim that nobody tended for long is taken over."""
        if self._store.put_if_absent(self._place, self._now()):
            return True
        try:
            tended = float(self._store.get(self._place))
        except NotFoundError:
            return self._store.put_if_absent(self._place, self._now())
        if time.time() - tended < self._stale:
            return False
        self._store.delete(self._place)
        return self._store.put_if_absent(self._place, self._now())

    def release(self) -> None:
        """Let another try."""
        self._store.delete(self._place)

    def tended(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The body, while the claim is kept alive."""
        beat = time.monotonic()
        for chunk in chunks:
            if time.monotonic() - beat > _BEAT_SECONDS:
                beat = time.monotonic()
                self._store.put(self._place, self._now())
            yield chunk

    def _now(self) -> bytes:
        return repr(time.time()).encode()


def check_same(order: JobOrder, wish: Wish, lines: Iterable[bytes]) -> None:
    """A repeated request must be the same. DriftError for its settings, HttpError 422 for its body."""
    changed = differences(order, wish)
    if changed:
        raise DriftError(changed)
    whole = hashlib.sha256()
    for line in lines:
        whole.update(line + b"\n")
    if whole.hexdigest() != order.digests["input.sha256"]:
        message = "Idempotency-Key: was used with another body before; use another key"
        raise HttpError(422, message, "idempotency_mismatch", param="Idempotency-Key")
