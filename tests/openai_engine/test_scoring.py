"""How answers with log-probs are read, from servers that tell them well, otherwise, or wrongly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from endpoint_asking import PROMPT, quick, with_engine
from faulty_endpoint import Computed, Faulty, Refusal

from services.inference.checkpoint import Checkpoint
from services.inference.openai.engine import OpenAIEngine
from shared.domain.model import ModelInfo
from shared.domain.style import TokenScores
from shared.errors import UnavailableError
from shared.style import rank_surprisal_ratio


@pytest.fixture
def pieces(smollm: Checkpoint) -> Callable[[int], str]:
    return lambda number: smollm.tokenizer.decode([number])


def answer(choice: dict) -> dict:
    return {"choices": [{"text": "", "finish_reason": "length", **choice}]}


def ranked(body: dict, piece: Callable[[int], str]) -> dict:
    """As vLLM: token number i has log-prob -i/10 and rank i."""
    if "prompt_logprobs" not in body:
        return answer({})
    entries: list[Any] = [
        {str(number): {"logprob": -place / 10, "rank": place, "decoded_token": piece(number)}}
        for place, number in enumerate(body["prompt"])
    ]
    return answer({"prompt_logprobs": [None, *entries[1:]]})


def echoed(body: dict, piece: Callable[[int], str]) -> dict:
    """The classic way, with the generated token at the end."""
    if "echo" not in body:
        return answer({})
    count = len(body["prompt"]) + body["max_tokens"]
    tokens = [piece(number) for number in body["prompt"]] + ["new"] * body["max_tokens"]
    return answer({"logprobs": {"token_logprobs": [None] + [-1.5] * (count - 1), "tokens": tokens}})


def scored(faulty: Faulty, folder: Path, **settings: Any) -> TokenScores:
    asked = quick(faulty.url, tokenizer=folder, **settings)
    return with_engine(asked, lambda engine: engine.score(PROMPT, "Tom has 7."))


def told(faulty: Faulty, folder: Path, **settings: Any) -> ModelInfo:
    async def ask(engine: OpenAIEngine) -> ModelInfo:
        return engine.info

    return with_engine(quick(faulty.url, tokenizer=folder, **settings), ask)


def test_log_probs_and_ranks_belong_to_the_texts_own_tokens(
    faulty: Faulty, folder: Path, smollm: Checkpoint, pieces: Callable[[int], str]
) -> None:
    faulty.after = Computed(lambda body: ranked(body, pieces))
    scores = scored(faulty, folder)
    first = len(smollm.prompt(PROMPT.messages[0].content))
    assert scores.ranks == tuple(range(first, first + len(scores.spans)))
    assert scores.surprisals == pytest.approx([rank / 10 for rank in scores.ranks])


def test_the_classic_echo_tells_no_ranks(faulty: Faulty, folder: Path, pieces: Callable[[int], str]) -> None:
    faulty.after = Computed(lambda body: echoed(body, pieces))
    scores = scored(faulty, folder)
    assert set(zip(scores.surprisals, scores.ranks, strict=True)) == {(1.5, 0)}
    assert rank_surprisal_ratio(scores) != rank_surprisal_ratio(scores)


def test_info_says_that_ranks_are_missing(faulty: Faulty, folder: Path, pieces: Callable[[int], str]) -> None:
    faulty.after = Computed(lambda body: echoed(body, pieces))
    info = told(faulty, folder)
    assert (info.scores, info.limits) == (True, "no ranks: the endpoint tells log-probs only")


def test_a_server_that_must_generate_is_asked_for_one_token(
    faulty: Faulty, folder: Path, pieces: Callable[[int], str]
) -> None:
    faulty.script = [Refusal(400, "unknown field"), Refusal(400, "max_tokens must be positive")]
    faulty.after = Computed(lambda body: echoed(body, pieces))
    assert set(scored(faulty, folder).surprisals) == {1.5}


def test_a_tokenizer_of_another_model_is_found_out(faulty: Faulty, folder: Path) -> None:
    faulty.after = Computed(lambda body: ranked(body, lambda number: f"t{number}"))
    info = told(faulty, folder)
    assert (info.scores, info.limits) == (False, "no log-probs: the tokenizer's vocabulary isn't that of m")


def test_a_server_that_ignores_what_it_does_not_know_tells_none(faulty: Faulty, folder: Path) -> None:
    faulty.after = Computed(lambda body: answer({"logprobs": {"token_logprobs": [-1.0], "tokens": ["7"]}}))
    assert told(faulty, folder).limits.endswith("tells none for a prompt")


def test_a_server_without_completions_still_chats(faulty: Faulty, folder: Path) -> None:
    faulty.after = Refusal(404, "not found")
    assert not told(faulty, folder).scores


def test_a_server_without_completions_serves_no_completions(faulty: Faulty, folder: Path) -> None:
    faulty.after = Refusal(404, "not found")
    with pytest.raises(UnavailableError, match="no such function"):
        told(faulty, folder, mode="completions")


WRONG: list[Callable[[dict], object]] = [
    lambda body: {"choices": []},
    lambda body: answer({"prompt_logprobs": [None, {}]}),
    lambda body: answer({"prompt_logprobs": [{} for _ in body["prompt"]]}),
    lambda body: answer({"prompt_logprobs": [{str(n): {"logprob": "x"}} for n in body["prompt"]]}),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_that_lacks_tokens_is_no_score(
    faulty: Faulty, folder: Path, pieces: Callable[[int], str], wrong: Callable[[dict], object]
) -> None:
    faulty.script = [Computed(lambda body: ranked(body, pieces))]
    faulty.after = Computed(wrong)
    with pytest.raises(UnavailableError, match="the answer"):
        scored(faulty, folder, max_retries=1)
