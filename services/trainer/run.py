"""``python -m services.trainer.run FOLDER``: one training, in a process that may die without harm.

The folder holds ``request.json``, an order; what comes of it is told in ``outcome.json``. SIGTERM, or the
death of whoever started this, ends the training after the step under way, with a checkpoint.

Of processes that train together, on one node or several, the one with RANK 0 alone writes steps, model and
outcome. What goes wrong on another one is told in ``failure-RANK.json``. A process that was started by a
launcher dies with it at once: it leads a session of its own, so no guard would reach it.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from services.trainer.folder import written_at_once
from services.trainer.local import LocalTrainer
from services.trainer.orders import order_of
from shared.domain.training import TrainingProgress
from shared.errors import IdiolectError, StoppedError
from shared.logs import log_to_stderr

_LOG = logging.getLogger(__name__)
REQUEST, OUTCOME, FAILURE = "request.json", "outcome.json", "failure-{}.json"
SUCCEEDED, FAILED, STOPPED = "succeeded", "failed", "stopped"
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """0 where it succeeded, 1 where it failed for a reason that is told, 3 where it was stopped."""
    log_to_stderr()
    rank = int(os.environ.get("RANK", "0"))
    if "RANK" in os.environ:
        _die_with_parent()
    folder = Path(sys.argv[1])
    told: dict[str, Any]
    try:
        told = _trained(folder, first=rank == 0)
    except StoppedError as stopped:
        told = {"state": STOPPED, "error": str(stopped)}
    except IdiolectError as error:
        told = {"state": FAILED, "error": str(error), "foreseen": True}
    except RuntimeError as error:
        if "RANK" not in os.environ:
            raise
        # Most often another process is gone; whoever knows more about that one says so in place of this.
        _LOG.exception("process %d failed", rank)
        told = {"state": FAILED, "error": f"process {rank} failed: {(str(error).splitlines() or [''])[0]}"}
    if rank == 0:
        written_at_once(folder / OUTCOME, json.dumps(told).encode())
    elif told["state"] == FAILED:
        written_at_once(folder / FAILURE.format(rank), json.dumps(told).encode())
    return {SUCCEEDED: 0, FAILED: 1, STOPPED: 3}[told["state"]]


def _trained(folder: Path, *, first: bool) -> dict[str, Any]:
    request = json.loads((folder / REQUEST).read_bytes())
    threads = request.pop("threads", None)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    trainer = LocalTrainer(request.pop("device", None), _Wish())
    if not first:
        trainer.take_part(order_of(request), folder)
        return {"state": SUCCEEDED}
    trained = trainer.train(order_of(request), folder, _unheard)
    told = {"digest": trained.digest, "rows": trained.rows, "tokens": trained.tokens}
    return {"state": SUCCEEDED, "adapter": trained.adapter, **told}


def _die_with_parent() -> None:
    """Have the system kill this process when the launcher is gone, also in a call that waits for ever."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _unheard(progress: TrainingProgress) -> None:
    """Progress is read from the folder by whoever wants it."""


class _Wish:
    """Whether to stop: SIGTERM came, or the parent is gone."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._told = False
        signal.signal(signal.SIGTERM, self._tell)

    def _tell(self, *_: object) -> None:
        self._told = True

    def __call__(self) -> bool:
        return self._told or os.getppid() != self._parent


if __name__ == "__main__":
    sys.exit(main())
