"""``python -m services.pipeline.queueing.worker QUEUE PROCESSES``: a worker that ends with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import ExitStack

from celery.signals import worker_process_init, worker_process_shutdown

from services.pipeline.queueing.app import app
from services.pipeline.queueing.tasks import register
from services.pipeline.settings import PipelineSettings
from services.pipeline.work.bench import Bench
from services.pipeline.work.operations import MakeWork, line_work
from shared.logs import log_to_stderr
from shared.rpc.settings import from_environment
from shared.trace_export import exporting, is_wanted

_PR_SET_PDEATHSIG = 1


def main(make: MakeWork = line_work) -> int:
    """Work until SIGTERM, which lets running tasks end; the lines are worked as `make` says."""
    queue, processes = sys.argv[1:]
    log_to_stderr()
    end_with_parent()
    export_traces()
    register(lambda: Bench(from_environment(PipelineSettings), make))
    options = ["--pool=prefork", f"--concurrency={processes}", f"--queues={queue}", f"--hostname={queue}@%h"]
    quiet = ["--quiet", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
    app.worker_main([*quiet[:1], "worker", *options, *quiet[1:]])
    return 0


def export_traces() -> None:
    """Let each process of the pool send its spans: from after its fork to its end."""
    if not is_wanted():
        return
    # Loaded before the fork, so that the processes share it and are up in time.
    import opentelemetry.exporter.otlp.proto.http.trace_exporter
    import opentelemetry.sdk.trace.export  # noqa: F401

    process = ExitStack()
    worker_process_init.connect(lambda **_: process.enter_context(exporting("pipeline")), weak=False)
    worker_process_shutdown.connect(lambda **_: process.close(), weak=False)


def end_with_parent() -> None:
    """Let the kernel send SIGTERM when the parent dies; elsewhere than on Linux nobody does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # In a container the parent may well be process 1, so it has said which one it is.
        parent = os.environ.get("IDIOLECT_PARENT")
        if os.getppid() == 1 if parent is None else os.getppid() != int(parent):
            sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
