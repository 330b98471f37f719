"""Reward models of Qwen2.5-Math's two kinds in a real vLLM engine; small ones with random weights."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_vllm_lifecycle import SMALL
from vllm_asking import PROBLEM

from services.inference.base import RewardModel
from services.inference.checkpoint import find_folder
from services.inference.vllm.rewards import VllmReward
from shared.errors import FieldError, UnavailableError, UnsupportedError

pytest.importorskip("vllm.version", reason="vLLM is not installed: make test-vllm")

STEPS = [
    "In April she sold 48 clips.",
    "In May she sold 48 / 2 = 24 clips.\n",
    "Together 48 + 24 = 72 <extra_0>",
]


def made(folder: Path, architecture: str, labels: int) -> Path:
    """A folder with a small Qwen2 with a reward head."""
    import torch
    import transformers
    from safetensors.torch import save_file

    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(find_folder(None)[1])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra_0>"]})
    tokenizer.save_pretrained(folder)
    config = transformers.Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        architectures=[architecture],
    )
    torch.manual_seed(0)
    body = transformers.Qwen2Model(config)
    head = torch.nn.Sequential(torch.nn.Linear(128, 128), torch.nn.ReLU(), torch.nn.Linear(128, labels))
    named = {f"model.{name}": value for name, value in body.state_dict().items()}
    named |= {f"score.{name}": value for name, value in head.state_dict().items()}
    save_file({name: value.contiguous() for name, value in named.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(
        json.dumps({**config.to_dict(), "num_labels": labels, "dtype": "float32"})
    )
    return folder


def by_hand(folder: Path, ids: list[int]) -> Any:
    """What the head says at each token, in transformers [time, labels]."""
    import torch
    import transformers
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    body = transformers.Qwen2Model(transformers.Qwen2Config.from_pretrained(folder)).eval()
    body.load_state_dict({k.removeprefix("model."): v for k, v in weights.items() if k.startswith("model.")})
    with torch.inference_mode():
        states = body(input_ids=torch.tensor([ids])).last_hidden_state[0]
        hidden = torch.relu(states @ weights["score.0.weight"].T + weights["score.0.bias"])
        return hidden @ weights["score.2.weight"].T + weights["score.2.bias"]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A process reward model."""
    return made(tmp_path_factory.mktemp("prm") / "steps", "Qwen2ForProcessRewardModel", 2)


@pytest.fixture(scope="module")
def grader(run, process: Path) -> Iterator[VllmReward]:
    """It, in its engine."""
    model = run(VllmReward.start(replace(SMALL, model=str(process))))
    yield model
    run(model.close())


def rendered_ids(folder: Path, separator: str) -> tuple[Any, list[int]]:
    """The conversation as the model's card writes it, steps joined by the separator."""
    import transformers

    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    answer = "".join(step + separator for step in STEPS[:2])
    turns = [{"role": "user", "content": PROBLEM}, {"role": "assistant", "content": answer}]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False)
    return tokenizer, tokenizer(rendered, add_special_tokens=False)["input_ids"]


def test_it_is_a_reward_model(grader: VllmReward) -> None:
    assert isinstance(grader, RewardModel)


def test_each_step_gets_a_probability(run, grader: VllmReward) -> None:
    rewards = run(grader.step_rewards(PROBLEM, STEPS))
    assert (len(rewards), all(0 < reward < 1 for reward in rewards)) == (3, True)


def test_a_reward_is_the_heads_probability_behind_its_step(run, grader: VllmReward, process: Path) -> None:
    tokenizer, ids = rendered_ids(process, "<extra_0>")
    separator = tokenizer.convert_tokens_to_ids("<extra_0>")
    shares = by_hand(process, ids).softmax(-1)[:, 1]
    expected = [float(share) for one, share in zip(ids, shares, strict=True) if one == separator]
    assert run(grader.step_rewards(PROBLEM, STEPS[:2])) == pytest.approx(expected, abs=1e-4)


def test_later_steps_leave_a_reward_alone(run, grader: VllmReward) -> None:
    some, all_of_them = (run(grader.step_rewards(PROBLEM, STEPS[:end])) for end in (2, 3))
    assert all_of_them[:2] == pytest.approx(some, abs=1e-4)


def test_solutions_are_graded_together(run, grader: VllmReward) -> None:
    async def ask() -> list[list[float]]:
        return await asyncio.gather(*(grader.step_rewards(PROBLEM, STEPS[:end]) for end in (1, 2, 3)))

    assert [len(rewards) for rewards in run(ask())] == [1, 2, 3]


def test_no_steps_get_no_rewards(run, grader: VllmReward) -> None:
    assert run(grader.step_rewards(PROBLEM, [])) == []


def test_steps_beyond_the_context_are_refused(run, grader: VllmReward) -> None:
    with pytest.raises(FieldError, match="512"):
        run(grader.step_rewards(PROBLEM, ["so " * 600]))


def test_a_grader_of_steps_refuses_whole_solutions(run, grader: VllmReward) -> None:
    with pytest.raises(UnsupportedError):
        run(grader.reward(PROBLEM, "72"))


def test_a_whole_solution_gets_the_heads_figure_at_its_end(run, tmp_path: Path) -> None:
    folder = made(tmp_path / "whole", "Qwen2ForRewardModel", 1)
    _, ids = rendered_ids(folder, "")

    async def ask() -> float:
        model = await VllmReward.start(replace(SMALL, model=str(folder)))
        try:
            return await model.reward(PROBLEM, "".join(STEPS[:2]))
        finally:
            await model.close()

    assert run(ask()) == pytest.approx(float(by_hand(folder, ids)[-1, 0]), abs=1e-4)


def test_a_model_without_a_reward_head_is_refused(run, tiny: Path) -> None:
    with pytest.raises(UnavailableError, match="neither"):
        run(VllmReward.start(replace(SMALL, model=str(tiny))))
