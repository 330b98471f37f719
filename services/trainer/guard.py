"""The guard of one training: leads its process group, and ends it when the service that started it is gone.

Its standard input is a pipe whose other end only the service holds. The line ``stop`` sends SIGTERM to the
training, which writes a checkpoint and ends. When the pipe closes, however the service ended, the group gets
SIGTERM, a grace, and SIGKILL, the guard included. It ends with the training's exit code, or 128 and the
number of the signal that killed it.

Runs by its path, alone: it uses the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """``guard.py GRACE COMMAND...``; the grace is in seconds."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    training = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, preexec_fn=_heed_signals)
    threading.Thread(target=_listen, args=(training, float(sys.argv[1])), daemon=True).start()
    code = training.wait()
    return code if code >= 0 else 128 - code


def _heed_signals() -> None:
    """What the guard ignores, its child would ignore as well."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _listen(training: subprocess.Popen[bytes], grace: float) -> None:
    while told := os.read(sys.stdin.fileno(), 4096):
        if b"stop" in told:
            os.killpg(os.getpgrp(), signal.SIGTERM)
    os.killpg(os.getpgrp(), signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        training.wait(grace)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
