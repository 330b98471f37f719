"""``python -m services.trainer.run FOLDER``: one training, in a process that may die without harm.

The folder holds ``request.json``, an order; what comes of it is told in ``outcome.json``. SIGTERM, or the
death of whoever started this, ends the training after the step under way, with a checkpoint.
"""

from __future__ import annotations

import json
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

REQUEST, OUTCOME = "request.json", "outcome.json"
SUCCEEDED, FAILED, STOPPED = "succeeded", "failed", "stopped"


def main() -> int:
    """0 where it succeeded, 1 where it failed for a reason that is told, 3 where it was stopped."""
    log_to_stderr()
    folder = Path(sys.argv[1])
    try:
        told = _trained(folder)
    except StoppedError as stopped:
        told = {"state": STOPPED, "error": str(stopped)}
    except IdiolectError as error:
        told = {"state": FAILED, "error": str(error)}
    if int(os.environ.get("RANK", "0")) == 0:
        written_at_once(folder / OUTCOME, json.dumps(told).encode())
    return {SUCCEEDED: 0, FAILED: 1, STOPPED: 3}[told["state"]]


def _trained(folder: Path) -> dict[str, Any]:
    request = json.loads((folder / REQUEST).read_bytes())
    threads = request.pop("threads", None)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    trained = LocalTrainer(request.pop("device", None), _Wish()).train(order_of(request), folder, _unheard)
    told = {"digest": trained.digest, "rows": trained.rows, "tokens": trained.tokens}
    return {"state": SUCCEEDED, "adapter": trained.adapter, **told}


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
