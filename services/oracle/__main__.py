"""``python -m services.oracle``: the oracle service."""

from __future__ import annotations

import sys

from prometheus_client import REGISTRY

from services.inference.absent import AbsentModel
from services.inference.base import LanguageModel
from services.inference.choice import start_engine, start_reward_model
from services.inference.host import EngineHost
from services.oracle.core import RULES, OracleCore
from services.oracle.servicer import OracleService
from services.oracle.settings import OracleServiceSettings
from services.oracle.verifier.verifier import SandboxedVerifier
from shared.errors import IdiolectError
from shared.logs import log_to_stderr
from shared.rpc.server import run
from shared.rpc.settings import ServingSettings, from_environment


def main() -> int:
    """Serve until SIGTERM; 2 where the settings can't be used."""
    log_to_stderr()
    try:
        serving, settings = from_environment(ServingSettings), from_environment(OracleServiceSettings)
        run(build(settings), serving.server(), REGISTRY)
    except IdiolectError as error:
        print(f"oracle: {error}", file=sys.stderr)
        return 2
    return 0


def build(settings: OracleServiceSettings) -> OracleService:
    """The service as it is set up; nothing is loaded yet."""

    async def make() -> LanguageModel:
        if core.reward_model is None:
            core.reward_model = await start_reward_model(settings)
        return AbsentModel("rules", RULES) if settings.engine == "rules" else await start_engine(settings)

    core = OracleCore(EngineHost(make), SandboxedVerifier(settings.verifiers), settings.oracle())
    return OracleService(core)


if __name__ == "__main__":
    sys.exit(main())
