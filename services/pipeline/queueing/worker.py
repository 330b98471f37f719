"""``python -m services.pipeline.queueing.worker QUEUE PROCESSES``: a worker that ends with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from shared.logs import log_to_stderr

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Work until SIGTERM, which lets running tasks end."""
    queue, processes = sys.argv[1:]
    log_to_stderr()
    end_with_parent()
    import services.pipeline.queueing.tasks  # noqa: F401 - registers them
    from services.pipeline.queueing.app import app

    options = ["--pool=prefork", f"--concurrency={processes}", f"--queues={queue}", f"--hostname={queue}@%h"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
    app.worker_main(["worker", *options, *quiet])
    return 0


def end_with_parent() -> None:
    """Let the kernel send SIGTERM when the parent dies; elsewhere than on Linux nobody does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
