"""``python -m services.student``: the student service."""

from __future__ import annotations

import sys

from prometheus_client import REGISTRY

from services.inference.absent import AbsentModel
from services.inference.base import LanguageModel
from services.inference.choice import start_engine
from services.inference.host import EngineHost
from services.student.core import StudentCore
from services.student.engines.proxy import VERSION
from services.student.following import Follower
from services.student.servicer import StudentService
from services.student.settings import StudentSettings
from shared.errors import IdiolectError
from shared.logs import log_to_stderr
from shared.rpc.server import run
from shared.rpc.settings import ServingSettings, from_environment
from shared.store import open_store


def main() -> int:
    """Serve until SIGTERM; 2 where the settings can't be used."""
    log_to_stderr()
    try:
        serving, settings = from_environment(ServingSettings), from_environment(StudentSettings)
        run(build(serving, settings), serving.server(), REGISTRY)
    except IdiolectError as error:
        print(f"student: {error}", file=sys.stderr)
        return 2
    return 0


def build(serving: ServingSettings, settings: StudentSettings) -> StudentService:
    """The service as it is set up; nothing is loaded yet."""
    template = settings.template()

    async def make() -> LanguageModel:
        return AbsentModel("proxy", VERSION) if settings.engine == "proxy" else await start_engine(settings)

    host = EngineHost(make, template.seen_through)
    follower = None
    if settings.store is not None:
        store = open_store(settings.store)
        follower = Follower(host, store, serving.state / "models", settings.follow_seconds)
    return StudentService(StudentCore(host, serving.state / "profiles", template, follower))


if __name__ == "__main__":
    sys.exit(main())
