"""SmolLM2 in a real vLLM engine on a processor: samples, scores, adapters, refusals."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from vllm_asking import PROBLEM, PROMPT, SOLUTION, samples, texts, write_adapter

from services.inference.base import LanguageModel
from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.inference.vllm.model import VllmModel
from shared.domain.model import Message, Prompt, Sampling
from shared.domain.style import TokenScores
from shared.errors import BusyError, FieldError

pytest.importorskip("vllm.version", reason="vLLM is not installed: make test-vllm")

LAYERS, WIDTH = 30, 576
SCHEMA = {
    "type": "object",
    "properties": {"step": {"enum": [1, 2, 3]}, "wrong": {"type": "boolean"}},
    "required": ["step", "wrong"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """The same weights in transformers."""
    return load_checkpoint(threads=1)


@pytest.fixture
def adapter(run, smollm: VllmModel, tmp_path: Path) -> Iterator[Path]:
    """An adapter for SmolLM2; afterwards the bare model is served again."""
    yield write_adapter(tmp_path / "loud", width=WIDTH, layers=LAYERS)
    run(smollm.adapt(None))


def forward_pass(checkpoint: Checkpoint, text: str) -> tuple[list[float], list[int]]:
    """Surprisals and ranks from one plain forward pass with all logits."""
    import torch

    before, (ids, _) = checkpoint.prompt(PROBLEM), checkpoint.encode(text)
    with torch.inference_mode():
        logits = checkpoint.model(torch.tensor([before + ids])).logits[0, len(before) - 1 : -1].double()
    chosen = logits.gather(1, torch.tensor(ids)[:, None])
    losses = logits.logsumexp(1) - chosen[:, 0]
    return losses.tolist(), ((logits > chosen).sum(1) + 1).tolist()


def test_it_is_a_language_model(smollm: VllmModel) -> None:
    assert isinstance(smollm, LanguageModel)


def test_its_digest_is_that_of_the_same_weights_in_transformers(
    smollm: VllmModel, checkpoint: Checkpoint
) -> None:
    assert smollm.info.digest == checkpoint.digest


def test_every_sample_of_a_request_comes_once(run, smollm: VllmModel) -> None:
    found = run(samples(smollm, Sampling(n=5, max_tokens=8)))
    assert [sample.index for sample in found] == [0, 1, 2, 3, 4]


def test_samples_of_a_request_differ(run, smollm: VllmModel) -> None:
    assert len(set(run(texts(smollm, Sampling(n=4, max_tokens=24))))) == 4


def test_equal_requests_give_equal_samples(run, smollm: VllmModel) -> None:
    asked = Sampling(n=4, max_tokens=24, seed=7)
    assert run(texts(smollm, asked)) == run(texts(smollm, asked))


def test_a_sample_does_not_depend_on_how_many_others_are_asked_for(run, smollm: VllmModel) -> None:
    alone = run(texts(smollm, Sampling(n=1, max_tokens=24, seed=7)))
    assert alone == run(texts(smollm, Sampling(n=3, max_tokens=24, seed=7)))[:1]


def test_another_seed_gives_another_sample(run, smollm: VllmModel) -> None:
    first, second = (run(texts(smollm, Sampling(max_tokens=24, seed=seed))) for seed in (1, (1 << 63) - 1))
    assert first != second


def test_greedy_samples_follow_the_argmax_of_transformers(
    run, smollm: VllmModel, checkpoint: Checkpoint
) -> None:
    import torch

    ids = torch.tensor([checkpoint.prompt(PROBLEM)])
    made = checkpoint.model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1] :]
    expected = checkpoint.decode(made.tolist())
    assert run(texts(smollm, Sampling(temperature=0, max_tokens=16))) == [expected]


def test_a_sample_goes_on_from_the_prefix_and_leaves_it_out(run, smollm: VllmModel) -> None:
    prompt = Prompt(PROMPT.messages, "Natalia sold 48 clips in April and 24 in May. In total, 48 + 24 =")
    assert run(texts(smollm, Sampling(temperature=0, max_tokens=3), prompt)) == [" 72"]


def test_a_stop_string_ends_a_sample_and_is_left_out(run, smollm: VllmModel) -> None:
    (sample,) = run(samples(smollm, Sampling(temperature=0, max_tokens=64, stop=("clips",))))
    assert (sample.finished, "clips" in sample.text) == (True, False)


def test_a_sample_at_its_limit_is_not_finished(run, smollm: VllmModel) -> None:
    (sample,) = run(samples(smollm, Sampling(temperature=0, max_tokens=5)))
    assert (sample.finished, sample.tokens) == (False, 5)


def test_the_end_token_is_neither_counted_nor_shown(run, smollm: VllmModel, checkpoint: Checkpoint) -> None:
    prompt = Prompt((Message("user", "Say: yes."),), "Yes.")
    (sample,) = run(samples(smollm, Sampling(temperature=0, max_tokens=200), prompt))
    assert (sample.finished, sample.tokens) == (True, len(checkpoint.encode(sample.text)[0]))


def test_a_narrow_nucleus_is_greedy(run, smollm: VllmModel) -> None:
    narrow = run(texts(smollm, Sampling(top_p=1e-6, max_tokens=12)))
    assert narrow == run(texts(smollm, Sampling(temperature=0, max_tokens=12)))


def test_an_answer_fulfils_its_schema(run, smollm: VllmModel) -> None:
    asked = Sampling(n=3, max_tokens=120, temperature=0.2, schema=json.dumps(SCHEMA))
    answers = [json.loads(text) for text in run(texts(smollm, asked))]
    assert all(answer.keys() == {"step", "wrong"} and answer["step"] in (1, 2, 3) for answer in answers)


def test_requests_run_together_inside_the_engine(run, smollm: VllmModel) -> None:
    async def ask() -> int:
        await asyncio.gather(*(samples(smollm, Sampling(max_tokens=24, seed=seed)) for seed in range(12)))
        return smollm.figures.peak_running

    assert run(ask()) >= 12


def test_many_long_seeded_prompts_at_once_do_not_lose_the_engine(run, smollm: VllmModel) -> None:
    async def all_at_once() -> list[list[str]]:
        prompts = [Prompt((Message("user", f"{number}: {PROBLEM} " * 12),)) for number in range(12)]
        asked = Sampling(n=1, max_tokens=2, seed=1)
        return await asyncio.gather(*(texts(smollm, asked, prompt) for prompt in prompts))

    assert len(run(all_at_once())) == 12


def test_more_requests_than_places_wait_inside_the_engine(run, smollm: VllmModel) -> None:
    async def ask() -> int:
        waiting = 0
        async for _ in smollm.sample(PROMPT, Sampling(n=24, max_tokens=12)):
            waiting = max(waiting, smollm.figures.waiting)
        return smollm.figures.peak_running

    assert run(ask()) == 16


def test_a_prompt_that_was_seen_is_read_from_the_cache(run, smollm: VllmModel) -> None:
    prompt = Prompt((Message("user", f"{PROBLEM} {PROBLEM} Think first."),), "Let me think")
    first, again = (run(samples(smollm, Sampling(max_tokens=2), prompt))[0] for _ in range(2))
    assert again.cached_tokens > first.cached_tokens


def test_hits_of_the_cache_are_told(run, smollm: VllmModel) -> None:
    before = smollm.figures.cache_hits
    found = run(samples(smollm, Sampling(n=3, max_tokens=2)))
    assert smollm.figures.cache_hits - before == sum(sample.cached_tokens for sample in found)


def test_a_closed_iterator_leaves_nothing_in_the_engine(run, smollm: VllmModel) -> None:
    async def ask() -> int:
        async with aclosing(smollm.sample(PROMPT, Sampling(n=8, max_tokens=700, stop=("\n",)))) as found:
            await anext(found)
        return smollm.unfinished

    assert run(ask()) == 0


def test_cancelled_calls_leave_nothing_in_the_engine(run, smollm: VllmModel) -> None:
    async def ask() -> tuple[int, int]:
        calls = [asyncio.ensure_future(samples(smollm, Sampling(max_tokens=900))) for _ in range(1000)]
        while smollm.figures.running < 16:
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        left = smollm.unfinished
        # The core's own count is known after its next step.
        async for _ in smollm.sample(PROMPT, Sampling(max_tokens=20)):
            pass
        running = asyncio.ensure_future(samples(smollm, Sampling(max_tokens=40)))
        while not smollm.figures.running:
            await asyncio.sleep(0)
        alone = smollm.figures.running
        await running
        return left, alone

    assert run(ask()) == (0, 1)


def test_surprisals_are_those_of_a_forward_pass_in_transformers(
    run, smollm: VllmModel, checkpoint: Checkpoint
) -> None:
    found = run(smollm.score(PROMPT, SOLUTION))
    assert found.surprisals == pytest.approx(forward_pass(checkpoint, SOLUTION)[0], abs=1e-3)


def test_ranks_are_those_of_a_forward_pass_in_transformers(
    run, smollm: VllmModel, checkpoint: Checkpoint
) -> None:
    assert list(run(smollm.score(PROMPT, SOLUTION)).ranks) == forward_pass(checkpoint, SOLUTION)[1]


def test_the_scored_tokens_cover_the_text(run, smollm: VllmModel) -> None:
    spans = run(smollm.score(PROMPT, SOLUTION)).spans
    assert (spans[0].start, spans[-1].end) == (0, len(SOLUTION))


def test_scores_do_not_depend_on_who_else_is_scored(run, smollm: VllmModel) -> None:
    async def together() -> TokenScores:
        return (await asyncio.gather(*(smollm.score(PROMPT, SOLUTION[end:]) for end in range(8))))[0]

    alone, found = run(smollm.score(PROMPT, SOLUTION)), run(together())
    assert found.surprisals == pytest.approx(alone.surprisals, abs=1e-3)


def test_a_text_that_was_scored_before_has_the_same_scores(run, smollm: VllmModel) -> None:
    first, again = (run(smollm.score(PROMPT, SOLUTION)) for _ in range(2))
    assert again == first


def test_an_empty_text_has_no_tokens(run, smollm: VllmModel) -> None:
    assert run(smollm.score(PROMPT, "")) == TokenScores((), (), ())


def test_an_adapter_changes_the_digest(run, smollm: VllmModel, adapter: Path) -> None:
    bare = smollm.info
    adapted = run(smollm.adapt(str(adapter)))
    assert (adapted.adapter, adapted.digest != bare.digest) == ("loud", True)


def test_an_adapter_changes_what_the_model_says(run, smollm: VllmModel, adapter: Path) -> None:
    asked = Sampling(temperature=0, max_tokens=12)
    bare = run(texts(smollm, asked))
    run(smollm.adapt(str(adapter)))
    assert run(texts(smollm, asked)) != bare


def test_without_the_adapter_the_model_speaks_as_before(run, smollm: VllmModel, adapter: Path) -> None:
    bare = run(smollm.score(PROMPT, SOLUTION))
    run(smollm.adapt(str(adapter)))
    run(smollm.adapt(None))
    assert run(smollm.score(PROMPT, SOLUTION)).surprisals == pytest.approx(bare.surprisals, abs=1e-4)


def test_an_adapter_is_loaded_while_calls_are_under_way(run, smollm: VllmModel, adapter: Path) -> None:
    asked = Sampling(temperature=0, max_tokens=40)

    async def ask() -> list[str]:
        call = asyncio.ensure_future(texts(smollm, asked))
        while not smollm.figures.running:
            await asyncio.sleep(0)
        await smollm.adapt(str(adapter))
        return await call

    bare = run(texts(smollm, asked))
    assert run(ask()) == bare


def test_an_adapter_of_another_model_is_refused(run, smollm: VllmModel, tmp_path: Path) -> None:
    foreign = write_adapter(tmp_path / "foreign", width=64, layers=2)
    with pytest.raises(FieldError, match="fit"):
        run(smollm.adapt(str(foreign)))


def test_after_a_refused_adapter_the_engine_lives_on(run, smollm: VllmModel, tmp_path: Path) -> None:
    foreign = write_adapter(tmp_path / "foreign", width=64, layers=2)
    with pytest.raises(FieldError):
        run(smollm.adapt(str(foreign)))
    assert len(run(texts(smollm, Sampling(max_tokens=4)))) == 1


def test_an_adapter_of_too_high_a_rank_is_refused(run, smollm: VllmModel, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="rank 32"):
        run(smollm.adapt(str(write_adapter(tmp_path / "wide", width=WIDTH, layers=1, rank=32))))


def test_an_adapter_of_the_output_layer_is_refused(run, smollm: VllmModel, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="lm_head"):
        run(smollm.adapt(str(write_adapter(tmp_path / "head", width=WIDTH, layers=1, layer="lm_head"))))


def test_texts_are_scored_together_under_an_adapter(run, smollm: VllmModel, adapter: Path) -> None:
    async def together() -> list[TokenScores]:
        await smollm.adapt(str(adapter))
        alone = await smollm.score(PROMPT, SOLUTION)
        others = (smollm.score(PROMPT, SOLUTION[end:]) for end in range(4))
        return [alone, *await asyncio.gather(*others)]

    alone, found, *_ = run(together())
    assert found.surprisals == pytest.approx(alone.surprisals, abs=1e-3)


def test_a_folder_without_an_adapter_is_refused(run, smollm: VllmModel, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="holds no adapter"):
        run(smollm.adapt(str(tmp_path)))


@pytest.mark.parametrize(
    ("field", "prompt", "sampling"),
    [
        ("temperature", PROMPT, Sampling(temperature=-1)),
        ("n", PROMPT, Sampling(n=0)),
        ("messages", Prompt(()), Sampling()),
        ("messages", Prompt((Message("user", "sum " * 1100),)), Sampling()),
        ("messages[0].content", Prompt((Message("user", "x" * 10_000_000),)), Sampling()),
        ("messages[0].content", Prompt((Message("user", "\ud800"),)), Sampling()),
        ("prefix", Prompt(PROMPT.messages, "\ud800"), Sampling()),
        ("schema", PROMPT, Sampling(schema="{")),
        ("schema", PROMPT, Sampling(schema='{"type": 3}')),
    ],
    ids=["negative", "none", "empty", "long", "megabytes", "surrogate", "prefix", "no JSON", "no schema"],
)
def test_a_request_that_cannot_be_served_names_its_field(
    run, smollm: VllmModel, field: str, prompt: Prompt, sampling: Sampling
) -> None:
    with pytest.raises(FieldError) as refused:
        run(samples(smollm, sampling, prompt))
    assert refused.value.field == field


@pytest.mark.parametrize("text", ["sum " * 1100, "x" * 10_000_000, "\ud800"])
def test_a_text_that_cannot_be_scored_is_named(run, smollm: VllmModel, text: str) -> None:
    with pytest.raises(FieldError) as refused:
        run(smollm.score(PROMPT, text))
    assert refused.value.field == "text"


def test_the_longest_text_that_fits_is_scored(run, smollm: VllmModel, checkpoint: Checkpoint) -> None:
    room = smollm.info.context - 1 - len(checkpoint.prompt(PROBLEM))
    assert len(run(smollm.score(PROMPT, " 7" * (room // 2))).ranks) in (room, room - 1)


def test_a_sleeping_engine_says_so(run, smollm: VllmModel) -> None:
    run(smollm.sleep())
    try:
        with pytest.raises(BusyError, match="asleep"):
            run(samples(smollm, Sampling()))
    finally:
        run(smollm.wake())


def test_sleep_forgets_the_cache_of_prefixes(run, smollm: VllmModel) -> None:
    run(samples(smollm, Sampling(max_tokens=2)))
    run(smollm.sleep())
    run(smollm.wake())
    (sample,) = run(samples(smollm, Sampling(max_tokens=2)))
    assert sample.cached_tokens == 0


def test_where_sleep_gives_no_memory_back_the_info_says_so(smollm: VllmModel) -> None:
    assert "no memory" in smollm.info.limits


def test_the_metrics_of_vllm_are_in_the_default_registry(run, smollm: VllmModel) -> None:
    from prometheus_client import REGISTRY

    run(samples(smollm, Sampling(max_tokens=2)))
    assert {"vllm:generation_tokens", "vllm:prefix_cache_hits"} <= {one.name for one in REGISTRY.collect()}
