"""Which engine serves, chosen by settings; its packages are imported when it is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.inference.base import LanguageModel, RewardModel
from services.inference.openai.settings import OpenAISettings
from services.inference.scripted import Script
from services.inference.transformers.engine import TransformersSettings
from services.inference.vllm.settings import VllmSettings
from shared.errors import FieldError

EngineName = Literal["vllm", "transformers", "openai", "scripted"]
ENGINES: tuple[EngineName, ...] = ("vllm", "transformers", "openai", "scripted")


class EngineSettings(BaseSettings):
    """Which engine, which model, and what each engine is told; a base of the services' own settings.

    Attributes:
        engine: which; what is none of `ENGINES` is a service's own, without a language model.
        model: folder, GGUF file or name; None takes the engine's default.
        transformers, vllm, openai, scripted: what that engine is told beside the model.
        reward_model: folder or name of a model that grades; None without one. `reward_engine` runs it.
    """

    model_config = SettingsConfigDict(env_nested_delimiter="__", env_ignore_empty=True)

    engine: str
    model: str | None = None
    transformers: TransformersSettings = Field(default_factory=TransformersSettings)
    vllm: VllmSettings = Field(default_factory=VllmSettings)
    openai: OpenAISettings | None = None
    scripted: Script = Field(default_factory=Script)
    reward_model: str | None = None
    reward_engine: Literal["transformers", "vllm"] = "transformers"


async def start_engine(settings: EngineSettings) -> LanguageModel:
    """Build the engine, which may take minutes. FieldError for settings that can't work."""
    if settings.engine == "scripted":
        from services.inference.scripted import ScriptedModel

        return ScriptedModel(settings.scripted)
    if settings.engine == "transformers":
        from services.inference.transformers.engine import TransformersEngine

        told = settings.transformers
        return await TransformersEngine.start(replace(told, source=settings.model or told.source))
    if settings.engine == "vllm":
        from services.inference.vllm.model import VllmModel

        return await VllmModel.start(replace(settings.vllm, model=settings.model or settings.vllm.model))
    if settings.engine == "openai":
        from services.inference.openai.engine import OpenAIEngine

        return await OpenAIEngine.connect(_endpoint(settings))
    raise FieldError("engine", f"is {settings.engine!r}", f"use one of {', '.join(ENGINES)}")


def _endpoint(settings: EngineSettings) -> OpenAISettings:
    if settings.openai is None:
        cure = "give openai.base_url (..._OPENAI__BASE_URL) and openai.model"
        raise FieldError("openai", "is missing for the engine openai", cure)
    return replace(settings.openai, model=settings.model or settings.openai.model)


async def start_reward_model(settings: EngineSettings) -> RewardModel | None:
    """Load the reward model; None where none is set up."""
    if settings.reward_model is None:
        return None
    if settings.reward_engine == "vllm":
        from services.inference.vllm.rewards import VllmReward

        return await VllmReward.start(replace(settings.vllm, model=settings.reward_model))
    import asyncio

    from services.inference.rewards.transformers import TransformersReward

    told = settings.transformers
    return await asyncio.to_thread(
        TransformersReward.load, settings.reward_model, device=told.device, threads=told.threads
    )
