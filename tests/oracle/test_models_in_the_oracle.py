"""The oracle offers what its models can do, and nothing else."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from canned import CannedModel

from services.inference.absent import AbsentModel
from services.inference.host import EngineHost
from services.inference.rewards.transformers import TransformersReward
from services.oracle.core import OracleCore
from services.oracle.verifier import SandboxedVerifier
from shared.domain import Correctness, Diagnosis, Problem, Trajectory, Verdict
from shared.errors import UnsupportedError
from shared.ports import RewriteRequest
from shared.text.segmentation import join_steps

WRONG = Verdict(Correctness.INCORRECT, None, "26")
TEXT, CUT = join_steps(["She uses 3 + 4 = 7.", "That leaves 16 - 3 = 13.", "13 * 2 = $26."], "\n")
DUCKS = Trajectory(
    "t", 1, Problem("Ducks lay 16 eggs, 3 are eaten, 4 baked, each $2.", "18"), TEXT, CUT, "\n"
)
ANSWERS = {
    "evidence": {"evidence": "16 - 3 forgets the 4", "first_wrong_step": 1},
    "rationale": {"rationale": "one step differs", "retention": 4},
    "step": {"step": "That leaves 16 - 7 = 9."},
}


def thinking(text, index):
    """The answer in the form that the prompt asks for."""
    asked = next(name for name in ANSWERS if f'{{"{name}"' in text)
    return json.dumps(ANSWERS[asked])


@asynccontextmanager
async def oracle(model=None, reward_model=None):
    """An oracle that serves, and the digest it goes by."""

    async def make():
        return model or AbsentModel("rules", "1")

    serves = asyncio.Event()
    with SandboxedVerifier() as verifier:
        core = OracleCore(EngineHost(make), verifier, reward_model=reward_model)
        await core.start(lambda there: serves.set() if there else None, pytest.fail)
        try:
            await serves.wait()
            yield core, core.host.info.digest
        finally:
            await core.stop()


def in_oracle(use, **models):
    async def run():
        async with oracle(**models) as (core, digest):
            return await use(core, digest)

    return asyncio.run(run())


async def weights(core, digest):
    return core.weights()


async def reward(core, digest):
    return await core.reward(digest, "problem", "solution")


async def locate(core, digest):
    return await core.locate(digest, DUCKS, WRONG, {})


async def rewrite(core, digest):
    request = RewriteRequest(DUCKS, WRONG, Diagnosis(1, 0.9), None, 0)
    return [candidate async for candidate in core.rewrite(digest, "oracle_rewrite", request)]


async def judge(core, digest):
    return await core.judge(digest, "problem", "native", "refined", 0)


def test_a_model_that_grades_steps_is_a_locator(step_model):
    found = in_oracle(weights, reward_model=TransformersReward.load(step_model))
    assert found == {"combined": 1.0, "prm": 1.0}


def test_a_model_that_grades_solutions_is_no_locator(solution_model):
    assert in_oracle(weights, reward_model=TransformersReward.load(solution_model)) == {"combined": 1.0}


def test_a_model_that_grades_solutions_gives_their_reward(solution_model):
    value, info = in_oracle(reward, reward_model=TransformersReward.load(solution_model))
    assert (isinstance(value, float), info.engine) == (True, "transformers")


def test_a_model_that_grades_steps_gives_no_reward_of_a_solution(step_model):
    with pytest.raises(UnsupportedError, match="steps"):
        in_oracle(reward, reward_model=TransformersReward.load(step_model))


def test_the_critic_and_the_rules_are_combined():
    found = in_oracle(locate, model=CannedModel(thinking))
    assert (found.first_error, "critic" in {one.source for one in found.findings}) == (1, True)


def test_a_step_is_rewritten_by_the_model_that_is_served():
    (candidate,) = in_oracle(rewrite, model=CannedModel(thinking))
    assert candidate.edits[0].author == "oracle:canned"


def test_retention_is_judged_by_the_model_that_is_served():
    assert in_oracle(judge, model=CannedModel(thinking)).score == 4.0


def test_without_a_language_model_nothing_is_judged():
    with pytest.raises(UnsupportedError, match="language model"):
        in_oracle(judge)
