"""One host of workers: keeps Celery workers alive, runs the reconciler, tells everybody's metrics."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, start_http_server
from redis import RedisError

from services.pipeline.dispatch.pulse import Listener
from services.pipeline.dispatch.rounds import Dispatcher
from services.pipeline.metrics import HostCollector
from services.pipeline.settings import PipelineSettings
from services.pipeline.upkeep.collecting import Collector
from services.pipeline.upkeep.keeper import Chore, kept
from services.pipeline.upkeep.sending import Sender
from services.pipeline.upkeep.telling import Teller
from shared.errors import FieldError, UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.nudge import BULK, INTERACTIVE, await_nudges, connected
from shared.ready import publish
from shared.rpc.server import split_address
from shared.store import open_store, prove
from shared.tenants import read_promises

_LOG = logging.getLogger(__name__)
WORKER = "services.pipeline.queueing.worker"
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_DRAIN_FILE = "IDIOLECT_DRAIN_FILE"
_PARENT = "IDIOLECT_PARENT"
_RETRY_SECONDS = 1.0
_LONGEST_WAIT = 1.0
_AHEAD = 2


@dataclass
class _Worker:
    queue: str
    processes: int
    process: subprocess.Popen[bytes] | None = None


class Host:
    """Runs until `stop` is called; for the main thread."""

    def __init__(self, settings: PipelineSettings, worker: str = WORKER) -> None:
        """`worker` is the module that its workers run."""
        self._worker = worker
        self._settings = settings
        self._store = open_store(settings.store)
        self._redis = connected(settings.redis_url)
        self._dispatcher = Dispatcher(
            JobDesk(self._store),
            self._redis,
            _AHEAD * settings.pipeline_concurrency,
            Listener(self._redis, settings.pipeline_stall),
        )
        self._promises = read_promises(settings.key_file)
        self._over = threading.Event()

    def stop(self) -> None:
        """Give nothing out any more, let the workers end, and return from `run`."""
        self._over.set()

    def run(self) -> None:
        """Serve. Errors of the store's proof and of the settings end it before it has begun."""
        prove(self._store)
        with TemporaryDirectory(prefix="idiolect-metrics-") as folder:
            address = self._serve_metrics(Path(folder))
            with self._workers(folder) as workers, kept(self._chores()):
                publish(address, self._settings.ready_file)
                while not self._over.is_set():
                    for worker in workers:
                        _keep(worker, self._worker, folder)
                    self._round()

    def _chores(self) -> list[Chore]:
        sender = Sender(allow_private=self._settings.webhook_private)
        teller = Teller(JobDesk(self._store), self._redis, self._promises, sender)
        collector = Collector(JobDesk(self._store), self._promises, self._settings.pipeline_orphan)
        return [
            Chore("telling webhooks", self._settings.pipeline_reconcile, teller.tell_all),
            Chore("collecting", self._settings.pipeline_collect, collector.collect),
        ]

    def _round(self) -> None:
        """A look at all jobs, then one at the jobs of each nudge, until it is time to look at all again."""
        try:
            self._dispatcher.round()
            until = time.monotonic() + self._settings.pipeline_reconcile
            while not self._over.is_set() and (left := until - time.monotonic()) > 0:
                named = await_nudges(self._redis, min(left, _LONGEST_WAIT))
                if named is not None:
                    self._dispatcher.round(named)
        except (RedisError, UnavailableError) as error:
            _LOG.warning("can't give work out now: %s", error)
            self._over.wait(_RETRY_SECONDS)

    def _serve_metrics(self, folder: Path) -> str:
        host, port = split_address(self._settings.metrics_listen, "IDIOLECT_METRICS_LISTEN")
        registry = CollectorRegistry(auto_describe=False)
        registry.register(HostCollector(folder, self._dispatcher.backlog))
        try:
            server, _ = start_http_server(self._settings.port or port, host, registry)
        except OSError as error:
            problem = f"{self._settings.metrics_listen} can't be listened on ({error.strerror})"
            raise FieldError("IDIOLECT_METRICS_LISTEN", problem, "give a free HOST:PORT") from None
        return f"{host}:{server.server_port}"

    @contextmanager
    def _workers(self, folder: str) -> Iterator[list[_Worker]]:
        workers = [_Worker(BULK, self._settings.pipeline_concurrency)]
        if self._settings.pipeline_interactive:
            workers.append(_Worker(INTERACTIVE, self._settings.pipeline_interactive))
        try:
            yield workers
        finally:
            Path(_drain_file(folder)).touch()
            for worker in workers:
                if worker.process is not None:
                    worker.process.terminate()
            for worker in workers:
                if worker.process is not None:
                    worker.process.wait()


def _keep(worker: _Worker, module: str, folder: str) -> None:
    """Starts the worker if it doesn't run."""
    if worker.process is not None and (code := worker.process.poll()) is None:
        return
    if worker.process is not None:
        _LOG.warning("the worker of queue %s ended (%s) and is started again", worker.queue, code)
    command = [sys.executable, "-m", module, worker.queue, str(worker.processes)]
    told = {_FOLDER: folder, _DRAIN_FILE: _drain_file(folder), _PARENT: str(os.getpid())}
    worker.process = subprocess.Popen(command, env={**os.environ, **told})


def _drain_file(folder: str) -> str:
    return f"{folder}/draining"


def stopped_by_signals(host: Host) -> None:
    """SIGTERM and SIGINT stop the host."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: host.stop())
