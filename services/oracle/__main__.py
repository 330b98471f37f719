"""``python -m services.oracle``: the oracle service."""

from __future__ import annotations

import sys

from prometheus_client import REGISTRY

from services.inference.absent import AbsentModel
from services.inference.base import LanguageModel, RewardModel
from services.inference.choice import start_engine
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
    """The service as it is set up; the reward model, if any, is loaded here."""
    choice = settings.choice()

    async def make() -> LanguageModel:
        return AbsentModel("rules", RULES) if choice is None else await start_engine(choice)

    verifier = SandboxedVerifier(settings.verifiers)
    core = OracleCore(EngineHost(make), verifier, settings.thinking, _reward_model(settings))
    return OracleService(core)


def _reward_model(settings: OracleServiceSettings) -> RewardModel | None:
    if settings.reward_model is None:
        return None
    from services.inference.rewards.transformers import TransformersReward

    return TransformersReward.load(settings.reward_model, device=settings.device, threads=settings.threads)


if __name__ == "__main__":
    sys.exit(main())
