"""``python -m services.trainer``: the trainer service."""

from __future__ import annotations

import sys

from prometheus_client import REGISTRY

from services.trainer.core import CoreSettings, TrainerCore
from services.trainer.handover import Handover
from services.trainer.servicer import TrainerService
from services.trainer.settings import TrainerSettings
from shared.errors import IdiolectError
from shared.logs import log_to_stderr
from shared.rpc.server import run
from shared.rpc.settings import ServingSettings, from_environment
from shared.store import open_store


def main() -> int:
    """Serve until SIGTERM; 2 where the settings can't be used."""
    log_to_stderr()
    try:
        serving, settings = from_environment(ServingSettings), from_environment(TrainerSettings)
        run(build(serving, settings), serving.server(), REGISTRY)
    except IdiolectError as error:
        print(f"trainer: {error}", file=sys.stderr)
        return 2
    return 0


def build(serving: ServingSettings, settings: TrainerSettings) -> TrainerService:
    """The service as it is set up; nothing runs yet."""
    handover = Handover(settings.sleepers(serving.server().tls), settings.lease_seconds)
    told = CoreSettings(settings.bases, serving.state / "trainings", settings.launch(), settings.patience())
    return TrainerService(TrainerCore(open_store(settings.store), told, handover))


if __name__ == "__main__":
    sys.exit(main())
