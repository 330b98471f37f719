"""Tells webhooks how jobs ended: signed, at least once, tried again with growing pauses, for three days.

The object ``webhooks/TENANT/JOB`` says that it is still to be done, and holds the tries so far. The message's
id follows from the job, so that a receiver can drop what it has seen.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from opentelemetry.trace import SpanKind
from redis import Redis, RedisError

from services.pipeline.dispatch.leases import Leases
from services.pipeline.upkeep.sending import Sender
from shared.errors import IdiolectError, NotFoundError, UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.errands import Errand, hindrance
from shared.jobs.layout import WEBHOOKS, JobKey
from shared.jobs.order import JobEnd, JobOrder
from shared.jobs.webhooks import signed
from shared.store import every_key
from shared.tenants import Promise
from shared.tracing import resumed

_LOG = logging.getLogger(__name__)
WEBHOOK = "webhook"
"""The part of a job that is leased while it is told."""
_AT_ONCE = 8
_GONE = 410
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 6 * 3600.0
OUTPUT_SECONDS = 600.0
"""For which a webhook waits until what came of the job is written to the caller's place."""
GIVEN_UP_SECONDS = 3 * 86_400.0


@dataclass(frozen=True, slots=True)
class Tries:
    """How often it was tried; `following`: seconds since the epoch before which it is not tried again."""

    count: int = 0
    following: float = 0.0

    @classmethod
    def of(cls, data: bytes) -> Tries:
        """What the object holds; it is empty before the first try."""
        return cls(**json.loads(data)) if data else cls()

    def failed(self, now: float) -> Tries:
        """One more, and a pause that doubles each time, up to six hours, with up to a fifth of chance."""
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self.count, 20))
        return Tries(self.count + 1, now + pause * random.uniform(1.0, 1.2))

    def to_bytes(self) -> bytes:
        """As it stands in the store."""
        return json.dumps(asdict(self)).encode()


class Teller:
    """Tells all webhooks that are due. `promises`: of each tenant, which holds its secret."""

    def __init__(self, desk: JobDesk, redis: Redis, promises: Mapping[str, Promise], sender: Sender) -> None:
        self._desk, self._leases, self._promises, self._sender = desk, Leases(redis), promises, sender

    def tell_all(self, now: float) -> None:
        """One look at all that wait. UnavailableError, RedisError: look again later."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook") as pool:
            waiting = (JobKey.of_live(key) for key in every_key(self._desk.store, WEBHOOKS))
            for _ in pool.map(lambda key: self._tell(key, now), waiting):
                pass

    def _tell(self, key: JobKey, now: float) -> None:
        """One of them; what goes wrong with it must not keep others waiting."""
        try:
            tries = Tries.of(self._desk.store.get(key.webhook))
            if tries.following > now:
                return
            lease = self._leases.take(key, WEBHOOK)
            if lease is not None:
                with lease:
                    self._try(key, tries, now)
        except NotFoundError:
            return
        except (UnavailableError, RedisError) as error:
            _LOG.warning("the webhook of job %s waits: %s", key.job, error)

    def _try(self, key: JobKey, tries: Tries, now: float) -> None:
        try:
            order, end = self._desk.order(key), self._desk.end(key)
        except NotFoundError:
            self._desk.store.delete(key.webhook)
            return
        if end is None or (self._is_delivered_later(key) and now - end.ended < OUTPUT_SECONDS):
            return
        problem = self._problem(order, end, now)
        if problem is None:
            self._desk.store.delete(key.webhook)
        elif now - end.ended > GIVEN_UP_SECONDS:
            _LOG.error("the webhook of job %s is given up after %d tries: %s", key.job, tries.count, problem)
            self._desk.store.delete(key.webhook)
        else:
            _LOG.warning("the webhook of job %s is tried again later: %s", key.job, problem)
            self._desk.store.put(key.webhook, tries.failed(now).to_bytes())

    def _is_delivered_later(self, key: JobKey) -> bool:
        return hindrance(self._desk.store, key, Errand.OUTPUT) is not None

    def _problem(self, order: JobOrder, end: JobEnd, now: float) -> str | None:
        """Send it; why that failed, None where it did not. A receiver that is gone (410) wants no more."""
        secret = self._promises.get(order.key.tenant, Promise()).webhook_secret
        if secret is None or order.webhook is None:
            return f"the key file holds no webhook_secret for {order.key.tenant}"
        body = message(order, end)
        headers = signed(secret, f"msg-{order.key.job}", int(now), body)
        try:
            with resumed("webhook", order.trace, {"idiolect.job": order.key.job}, SpanKind.CLIENT) as span:
                status = self._sender.post(order.webhook, headers, body)
                span.set_attribute("http.response.status_code", status)
        except IdiolectError as error:
            return str(error)
        return None if 200 <= status < 300 or status == _GONE else f"it was answered with {status}"


def message(order: JobOrder, end: JobEnd) -> bytes:
    """What is told: ``type`` is ``job.completed``, ``job.cancelled`` or ``job.failed``."""
    told = {
        "type": f"job.{end.state}",
        "timestamp": datetime.fromtimestamp(end.ended, UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "id": order.key.job,
            "operation": order.operation,
            "status": end.state,
            "created_at": order.created,
            "ended_at": end.ended,
            "counts": dict(end.counts),
            "reason": end.reason,
            "labels": dict(order.labels),
            "output": order.output,
        },
    }
    return json.dumps(told, ensure_ascii=False).encode()
