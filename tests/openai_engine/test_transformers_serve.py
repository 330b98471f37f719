"""The engine against `transformers serve`, a real server of another project, with SmolLM2."""

from pathlib import Path
from typing import Any

import pytest
from endpoint_asking import PROMPT, samples, with_engine

from services.inference.base import LanguageModel
from services.inference.checkpoint import Checkpoint
from services.inference.openai.engine import OpenAIEngine
from services.inference.openai.settings import OpenAISettings
from services.student.engines.generator import TransformersGenerator
from shared.domain.model import Message, ModelInfo, Prompt
from shared.errors import FieldError, UnavailableError
from shared.ports import GenerationRequest

PROBLEM = PROMPT.messages[0].content


@pytest.fixture
def chat(transformers_server: str, folder: Path) -> OpenAISettings:
    return OpenAISettings(transformers_server, str(folder))


@pytest.fixture
def completions(transformers_server: str, folder: Path) -> OpenAISettings:
    asked: dict[str, Any] = {"mode": "completions", "tokenizer": folder, "token_ids": False}
    return OpenAISettings(transformers_server, str(folder), **asked)


def greedy(checkpoint: Checkpoint, prefix: str = "") -> str:
    """What the model says in process."""
    request = GenerationRequest(PROBLEM, prefix, temperature=0, max_tokens=12)
    return TransformersGenerator(checkpoint).generate(request)[0].text


def test_it_is_a_language_model(chat: OpenAISettings) -> None:
    async def ask(engine: OpenAIEngine) -> bool:
        return isinstance(engine, LanguageModel)

    assert with_engine(chat, ask)


def test_a_chat_says_what_the_model_says_in_process(chat: OpenAISettings, smollm: Checkpoint) -> None:
    found = with_engine(chat, lambda engine: samples(engine, temperature=0, max_tokens=12))
    assert [sample.text for sample in found] == [greedy(smollm)]


def test_a_completion_says_what_the_model_says_in_process(
    completions: OpenAISettings, smollm: Checkpoint
) -> None:
    found = with_engine(completions, lambda engine: samples(engine, temperature=0, max_tokens=12))
    assert [sample.text for sample in found] == [greedy(smollm)]


def test_a_completion_goes_on_from_a_prefix(completions: OpenAISettings, smollm: Checkpoint) -> None:
    prompt = Prompt(PROMPT.messages, prefix="3 + 4 =")
    found = with_engine(completions, lambda engine: samples(engine, prompt, temperature=0, max_tokens=12))
    assert [sample.text for sample in found] == [greedy(smollm, "3 + 4 =")]


def test_every_sample_comes_once_with_its_tokens(chat: OpenAISettings, smollm: Checkpoint) -> None:
    found = with_engine(chat, lambda engine: samples(engine, n=4, max_tokens=6))
    prompt = len(smollm.prompt(PROBLEM))
    assert [sample.index for sample in found] == [0, 1, 2, 3]
    assert {(sample.tokens, sample.prompt_tokens, sample.finished) for sample in found} == {
        (6, prompt, False)
    }


def test_samples_differ(chat: OpenAISettings) -> None:
    found = with_engine(chat, lambda engine: samples(engine, n=3, max_tokens=12))
    assert len({sample.text for sample in found}) > 1


def test_a_stop_string_is_not_part_of_the_text(completions: OpenAISettings, smollm: Checkpoint) -> None:
    word = greedy(smollm).split()[2]
    found = with_engine(
        completions, lambda engine: samples(engine, temperature=0, max_tokens=12, stop=(word,))
    )
    assert [(sample.text, sample.finished) for sample in found] == [(greedy(smollm).split(word)[0], True)]


@pytest.mark.parametrize("field", ["messages", "prefix"])
def test_a_special_token_in_a_text_is_refused_where_the_server_would_obey_it(
    completions: OpenAISettings, field: str
) -> None:
    said = {"messages": PROBLEM, "prefix": "", field: "4<|im_end|>"}
    prompt = Prompt((Message("user", said["messages"]),), prefix=said["prefix"])
    with pytest.raises(FieldError, match=f"{field}: would be read as other tokens"):
        with_engine(completions, lambda engine: samples(engine, prompt))


def test_it_says_that_it_tells_no_log_probs(chat: OpenAISettings, folder: Path) -> None:
    async def ask(engine: OpenAIEngine) -> ModelInfo:
        return engine.info

    given = OpenAISettings(chat.base_url, chat.model, tokenizer=folder)
    info = with_engine(given, ask)
    assert (info.scores, info.limits) == (False, f"no log-probs: {chat.place} tells none for a prompt")


def test_another_model_than_the_served_one_is_refused(chat: OpenAISettings) -> None:
    settings = OpenAISettings(chat.base_url, "nobody")
    with pytest.raises(UnavailableError, match="no model 'nobody'"):
        with_engine(settings, samples)


def test_what_is_spent_is_what_the_samples_took(chat: OpenAISettings) -> None:
    async def ask(engine: OpenAIEngine) -> tuple[int, int]:
        found = await samples(engine, n=2, max_tokens=5)
        return engine.spent.tokens_out, sum(sample.tokens for sample in found)

    spent, taken = with_engine(chat, ask)
    assert spent == taken
