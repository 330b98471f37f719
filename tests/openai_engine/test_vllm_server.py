"""The engine against vLLM's own server with SmolLM2 in float32."""

import asyncio
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from endpoint_asking import PROMPT, samples, with_engine

from services.inference.checkpoint import Checkpoint
from services.inference.openai.endpoint import Call, Endpoint
from services.inference.openai.engine import OpenAIEngine
from services.inference.openai.scoring import WAYS, Reading
from services.inference.openai.settings import OpenAISettings
from services.inference.openai.spending import Usage
from services.student.engines.generator import TransformersGenerator
from services.student.engines.transformers import TransformersScorer
from shared.domain.model import Message, Prompt
from shared.domain.style import TokenScores
from shared.errors import FieldError, UnavailableError
from shared.ports import GenerationRequest, ScoreRequest

pytestmark = pytest.mark.slow

PROBLEM = PROMPT.messages[0].content
TEXTS = [
    "Tom has 3 + 4 = 7 apples.\nA: 7",
    "Hi 😀 漢字 é e\u0301 👩‍👩‍👧 \u0928\u092e\u0938\u094d\u0924\u0947",
    " \n\n  x=3<|im_end|>  done\t",
    "x",
]


@pytest.fixture
def settings(vllm_server: str, folder: Path) -> OpenAISettings:
    asked: dict[str, Any] = {"mode": "completions", "tokenizer": folder, "seeded": True}
    return OpenAISettings(vllm_server, "smol", **asked)


@pytest.mark.parametrize("text", TEXTS)
def test_log_probs_equal_those_in_process(settings: OpenAISettings, smollm: Checkpoint, text: str) -> None:
    ours = TransformersScorer(smollm).score([ScoreRequest(PROBLEM, text)])[0]
    theirs = with_engine(settings, lambda engine: engine.score(PROMPT, text))
    assert theirs.surprisals == pytest.approx(ours.surprisals, abs=1e-3)
    assert (theirs.spans, theirs.ranks) == (ours.spans, ours.ranks)


@pytest.mark.parametrize("way", WAYS[1:], ids=["no token more", "a token more"])
def test_the_classic_echo_tells_the_same_log_probs(
    settings: OpenAISettings, smollm: Checkpoint, way: Any
) -> None:
    before, (ids, _) = smollm.prompt(PROBLEM), smollm.encode(TEXTS[0])
    body = {"model": "smol", "prompt": before + ids, **way.fields}

    async def ask() -> list[Reading]:
        endpoint = Endpoint(settings)
        call = Call("/completions", "smol", "text", body, Usage())
        readings = await endpoint.post(call, lambda choice: way.read(choice, before + ids))
        await endpoint.close()
        return readings

    ours = TransformersScorer(smollm).score([ScoreRequest(PROBLEM, TEXTS[0])])[0]
    found = asyncio.run(ask())[len(before) - 1 :]
    assert [reading.surprisal for reading in found] == pytest.approx(ours.surprisals, abs=1e-3)


def test_a_prefix_counts_as_already_said(settings: OpenAISettings) -> None:
    async def ask(engine: OpenAIEngine) -> tuple[TokenScores, TokenScores]:
        whole = await engine.score(PROMPT, "3 + 4 = 7")
        return whole, await engine.score(Prompt(PROMPT.messages, prefix="3 + 4 ="), " 7")

    whole, rest = with_engine(settings, ask)
    assert rest.surprisals == pytest.approx(whole.surprisals[-len(rest.surprisals) :], abs=1e-3)


def test_an_empty_text_has_no_tokens(settings: OpenAISettings) -> None:
    assert with_engine(settings, lambda engine: engine.score(PROMPT, "")) == TokenScores((), (), ())


def test_a_completion_says_what_the_model_says_in_process(
    settings: OpenAISettings, smollm: Checkpoint
) -> None:
    request = GenerationRequest(PROBLEM, "3 + 4 =", temperature=0, max_tokens=12)
    ours = TransformersGenerator(smollm).generate(request)[0].text
    prompt = Prompt(PROMPT.messages, prefix="3 + 4 =")
    found = with_engine(settings, lambda engine: samples(engine, prompt, temperature=0, max_tokens=12))
    assert found[0].text == ours


def test_equal_seeds_give_equal_samples(settings: OpenAISettings) -> None:
    def drawn(seed: int) -> list[str]:
        found = with_engine(settings, lambda engine: samples(engine, n=3, max_tokens=10, seed=seed))
        return [sample.text for sample in found]

    assert drawn(5) == drawn(5) != drawn(6)


def test_a_chat_goes_on_from_a_prefix_where_the_server_can(settings: OpenAISettings) -> None:
    prompt = Prompt(PROMPT.messages, prefix="3 + 4 =")
    chat = OpenAISettings(settings.base_url, "smol", continues=True)
    asked: dict[str, Any] = {"temperature": 0, "max_tokens": 12}
    said = with_engine(chat, lambda engine: samples(engine, prompt, **asked))[0].text
    assert said == with_engine(settings, lambda engine: samples(engine, prompt, **asked))[0].text


def test_a_schema_is_enforced(settings: OpenAISettings) -> None:
    schema = '{"type": "object", "properties": {"a": {"enum": [4, 7]}}, "required": ["a"]}'
    found = with_engine(settings, lambda engine: samples(engine, schema=schema, max_tokens=40))
    assert re.fullmatch(r'\s*\{\s*"a"\s*:\s*[47]\s*\}\s*', found[0].text)


def test_a_cancelled_sample_ends_in_the_server_before_it_is_finished(settings: OpenAISettings) -> None:
    def figure(name: str) -> float:
        address = settings.base_url.removesuffix("/v1") + "/metrics"
        text = urllib.request.urlopen(address, timeout=20).read().decode()
        return sum(map(float, re.findall(rf"^vllm:{name}\{{.*\}} (\S+)$", text, re.M)))

    async def until(running: int) -> None:
        async with asyncio.timeout(60):
            while await asyncio.to_thread(figure, "num_requests_running") != running:
                await asyncio.sleep(0.05)

    async def ask(engine: OpenAIEngine) -> tuple[float, float]:
        counting = Prompt((Message("user", "Count from 1 to 1000, every number on a line of its own."),))
        before = figure("request_success_total")
        asking = asyncio.ensure_future(samples(engine, counting, temperature=0, max_tokens=1900))
        await until(running=1)
        asking.cancel()
        await until(running=0)
        return before, figure("request_success_total")

    before, after = with_engine(settings, ask)
    assert before == after


def test_a_text_beyond_the_context_is_refused_here(settings: OpenAISettings) -> None:
    with pytest.raises(FieldError, match=r"text: makes .* more than the 2047"):
        with_engine(settings, lambda engine: engine.score(PROMPT, "12 " * 3000))


def test_messages_beyond_the_context_are_refused_there(settings: OpenAISettings) -> None:
    chat = OpenAISettings(settings.base_url, "smol")
    prompt = Prompt((Message("user", "12 " * 3000),))
    with pytest.raises(FieldError, match="messages: doesn't fit"):
        with_engine(chat, lambda engine: samples(engine, prompt))


def test_a_model_that_is_missing_is_answered_with_those_that_exist(settings: OpenAISettings) -> None:
    with pytest.raises(UnavailableError, match="no model 'lost'; it serves smol, twin"):
        with_engine(OpenAISettings(settings.base_url, "lost"), samples)


def test_loading_switches_to_another_served_name(settings: OpenAISettings) -> None:
    async def ask(engine: OpenAIEngine) -> tuple[str, bool, int]:
        info = await engine.load("twin")
        return info.model, info.scores, len(await samples(engine, max_tokens=3))

    assert with_engine(settings, ask) == ("twin", True, 1)
