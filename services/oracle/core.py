"""What the oracle service does, in domain types: verify, locate, rewrite, judge and reward.

Rules work always. What thinks with a language model is there where an engine serves one, and what reads
rewards where a reward model is set up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import cast

from services.inference.base import LanguageModel, RewardModel
from services.inference.host import EngineHost
from services.oracle.base import ServedLocator, ServedRewriter
from services.oracle.judge import Retention, RetentionJudge
from services.oracle.locators import AnswerLocator, ArithmeticLocator, CombinedLocator, ReferenceLocator
from services.oracle.locators.critic import CriticLocator
from services.oracle.locators.prm import PrmLocator
from services.oracle.locators.weighted import WeightedLocator
from services.oracle.metered import MeteredModel
from services.oracle.promptfiles import CRITIC, JUDGE, REWRITE, load_prompt
from services.oracle.rewriters.arithmetic import Arithmetic
from services.oracle.rewriters.operation import Operation
from services.oracle.rewriters.oracle_rewrite import OracleRewrite, RewriteSettings
from services.oracle.rewriters.reference_graft import ReferenceGraft
from services.oracle.structured import VoteSettings
from services.oracle.threaded import ThreadedLocator, ThreadedRewriter
from services.oracle.verifier.verifier import SandboxedVerifier
from shared.domain import Candidate, Diagnosis, ModelInfo, Trajectory, Verdict
from shared.errors import FieldError, UnsupportedError
from shared.ports import RewriteRequest

RULES = "rules/1"
"""Version of the rules. It enters the oracle's digest; raise it when their results would differ."""


@dataclass(frozen=True, slots=True)
class OracleSettings:
    """How the oracle thinks; all of it enters its digest.

    Attributes:
        weights: of the locators that are combined, by name; empty: ``combined`` alone, and beside it
            ``critic`` and ``prm`` where there are models for them, each with weight 1.
        votes: how the critic and the judge are asked. rewrite: how a step is asked for.
        threshold: reward below which `prm` calls a step wrong.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    votes: VoteSettings = field(default_factory=VoteSettings)
    rewrite: RewriteSettings = field(default_factory=RewriteSettings)
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Parts:
    """What can be asked, by name."""

    locators: Mapping[str, ServedLocator]
    rewriters: Mapping[str, ServedRewriter]
    judge: RetentionJudge | None


class OracleCore:
    """The oracle: the verifier and the rules, one hosted engine, and a reward model where there is one."""

    def __init__(
        self,
        host: EngineHost,
        verifier: SandboxedVerifier,
        settings: OracleSettings | None = None,
        reward_model: RewardModel | None = None,
    ) -> None:
        self.host = host
        self.verifier = verifier
        self.reward_model = reward_model
        self._settings = settings or OracleSettings()
        host.view = self._seen
        host.beside = self._beside
        self._make, host.make = host.make, self._made
        self._built: tuple[LanguageModel, Parts] | None = None

    async def start(self, tell: Callable[[bool], None], fail: Callable[[Exception], None]) -> None:
        """Begin to load the engine."""
        await self.host.start(tell, fail)

    async def stop(self) -> None:
        """Let go of everything."""
        await self.host.stop()
        self.verifier.close()
        if self.reward_model is not None:
            await self.reward_model.close()

    def _beside(self) -> Sequence[RewardModel]:
        return [] if self.reward_model is None else [self.reward_model]

    async def _made(self) -> LanguageModel:
        """The engine, once it is known that the settings can be used with it."""
        engine = await self._make()
        try:
            if self._settings.weights:
                self._combined(self._parts(engine), self._settings.weights)
        except FieldError:
            await engine.close()
            raise
        return engine

    def _seen(self, info: ModelInfo) -> ModelInfo:
        """The model as this oracle uses it: rules, prompts, settings and reward model enter the digest."""
        rewards = self.reward_model.info.digest if self.reward_model is not None else None
        material = [info.digest, RULES, _rule_weights(), prompts(info), repr(self._settings), rewards]
        return replace(info, digest=hashlib.sha256(json.dumps(material).encode()).hexdigest())

    def weights(self) -> dict[str, float]:
        """The locators that are combined, and their weights."""
        if self._settings.weights:
            return dict(self._settings.weights)
        beside = {"critic": self.host.info.generates, "prm": self._grades_steps}
        return {"combined": 1.0} | {name: 1.0 for name, there in beside.items() if there}

    @property
    def rewards(self) -> bool:
        """Whether whole solutions can be graded."""
        return self.reward_model is not None and self.reward_model.grades_solutions

    @property
    def _grades_steps(self) -> bool:
        return self.reward_model is not None and self.reward_model.grades_steps

    def rewriters(self) -> list[str]:
        """Names of the rewriters, cheapest first."""
        thinking = ["oracle_rewrite"] if self.host.info.generates else []
        return ["arithmetic", "operation", *thinking, "reference_graft"]

    async def verify(self, digest: str, text: str, gold: str | None) -> Verdict:
        """Verdict on the final answer of a whole solution."""
        self.host.check(digest)
        return await self.verifier.averify(text, gold)

    async def locate(
        self, digest: str, trajectory: Trajectory, verdict: Verdict, weights: Mapping[str, float]
    ) -> Diagnosis:
        """First wrong step, by the locators of `weights` or, where it is empty, by the oracle's own."""
        async with self.host.call(digest) as engine:
            chosen = dict(weights) or self.weights()
            locator = self._combined(self._parts(engine), chosen)
            return await locator.locate(trajectory, verdict)

    def _combined(self, parts: Parts, weights: Mapping[str, float]) -> ServedLocator:
        unknown = [name for name in weights if name not in parts.locators]
        if unknown:
            cure = f"choose among {', '.join(parts.locators)}"
            raise FieldError("locators", f"names {unknown[0]!r}, which is not served", cure)
        chosen = [parts.locators[name] for name in weights]
        return chosen[0] if len(chosen) == 1 else WeightedLocator(chosen, weights)

    async def rewrite(
        self, digest: str, name: str, request: RewriteRequest
    ) -> AsyncGenerator[Candidate, None]:
        """Candidates of one rewriter, as it finds them."""
        async with self.host.call(digest) as engine:
            rewriters = self._parts(engine).rewriters
            if name not in rewriters:
                cure = f"choose among {', '.join(rewriters)}"
                raise FieldError("rewriter", f"{name!r} is not served", cure)
            # Every rewriter's candidates are a generator, which lets go of its work when it is closed.
            found = cast("AsyncGenerator[Candidate, None]", rewriters[name].propose(request))
            async with aclosing(found):
                async for candidate in found:
                    yield candidate

    async def judge(self, digest: str, problem: str, native: str, refined: str, seed: int) -> Retention:
        """How much of the native meaning a refined text keeps."""
        async with self.host.call(digest) as engine:
            judge = self._parts(engine).judge
            if judge is None:
                raise UnsupportedError("retention needs a language model; start the oracle with one")
            return await judge.judge(problem, native, refined, seed)

    async def reward(self, digest: str, problem: str, text: str) -> tuple[float, ModelInfo]:
        """Reward of a solution, and the model that gave it."""
        async with self.host.call(digest):
            if self.reward_model is None:
                raise UnsupportedError("rewards need a reward model; start the oracle with one")
            return await self.reward_model.reward(problem, text), self.reward_model.info

    def _parts(self, engine: LanguageModel) -> Parts:
        if self._built is None or self._built[0] is not engine:
            self._built = (engine, self._build(engine))
        return self._built[1]

    def _build(self, engine: LanguageModel) -> Parts:
        rules = (CombinedLocator(), AnswerLocator(), ArithmeticLocator(), ReferenceLocator())
        locators: list[ServedLocator] = [ThreadedLocator(rule) for rule in rules]
        rewriters: list[ServedRewriter] = [ThreadedRewriter(Arithmetic()), ThreadedRewriter(Operation())]
        judge = None
        if engine.info.generates:
            thinking = MeteredModel(engine)
            locators.append(CriticLocator(thinking, self._settings.votes))
            rewriters.append(OracleRewrite(thinking, self._settings.rewrite))
            judge = RetentionJudge(thinking, self._settings.votes)
        if self.reward_model is not None and self.reward_model.grades_steps:
            locators.append(PrmLocator(self.reward_model, self._settings.threshold))
        rewriters.append(ThreadedRewriter(ReferenceGraft()))
        named = {locator.name: locator for locator in locators}
        return Parts(named, {rewriter.name: rewriter for rewriter in rewriters}, judge)


def prompts(info: ModelInfo) -> dict[str, str]:
    """Digests of the prompt files that are used, by name and version."""
    if not info.generates:
        return {}
    return {name: load_prompt(name).digest for name in (CRITIC, REWRITE, JUDGE)}


@cache
def _rule_weights() -> str:
    """Sha256 of the locators' fitted weights."""
    content = files("services.oracle.locators").joinpath("weights.json").read_bytes()
    return hashlib.sha256(content).hexdigest()
