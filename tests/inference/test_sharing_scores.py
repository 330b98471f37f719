"""What texts share is read once, and every score is that of the plain forward pass."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from services.inference.checkpoint import Checkpoint
from services.inference.transformers.losses import losses
from services.inference.transformers.scoring import ScoreItem, Tally, prepare, score, windows
from shared.domain import Message, Prompt

TOM = "Tom has 3 apples and buys 4 more. How many does he have?"
NATIVE = (
    "Tom has 3 apples.\nHe buys 4 more, so he has 3 + 4 = 8 apples.\nThat makes 8 apples in all.\nA: 8",
    "Tom has 3 apples.\nHe buys 4 more, so he has 3 + 4 = 7 apples.\nThat makes 7 apples in all.\nA: 7",
    "Tom has 3 apples.\nHe buys 4 more, so he has 3 + 4 = 7 apples.\nThat makes 7 apples in all.\nA: 7",
    "Tom has 3 apples.\nHe buys 4 more, so he has 3 + 4 = 7 apples.",
    "7",
)
OTHER = ("6 * 7 = 42", "The product of 6 and 7 is the same as 7 + 7 + 7 + 7 + 7 + 7, which is 42.")

GROWTH = """
import resource, sys
from services.inference.checkpoint import load_checkpoint
from services.inference.transformers.scoring import prepare, score
checkpoint = load_checkpoint(sys.argv[1], threads=1)
def peak(texts, words):
    prompts = [checkpoint.prompt(f"What is {number // 4} times 7?") for number in range(texts)]
    items = [prepare(checkpoint, p, f"{n} so 7 times it is " * words) for n, p in enumerate(prompts)]
    score(checkpoint, items)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(peak(100, 2), peak(800, 2), peak(1, 800))
"""


def items(checkpoint: Checkpoint) -> list[ScoreItem]:
    pairs = [*((TOM, text) for text in NATIVE), *(("What is 6 times 7?", text) for text in OTHER)]
    return [prepare(checkpoint, checkpoint.prompt(problem), text) for problem, text in pairs]


def plain(checkpoint: Checkpoint, item: ScoreItem) -> tuple[list[float], list[int]]:
    with torch.inference_mode():
        logits = checkpoint.model(torch.tensor([item.ids])).logits[0, item.first - 1 : -1]
    wanted = torch.tensor(item.ids[item.first :])[:, None]
    chosen = logits.gather(1, wanted)
    surprisals = -logits.log_softmax(1).gather(1, wanted)[:, 0]
    return surprisals.tolist(), ((logits > chosen).sum(1) + 1).tolist()


def test_surprisals_are_those_of_the_plain_pass(smollm: Checkpoint) -> None:
    asked = items(smollm)
    for item, found in zip(asked, score(smollm, asked), strict=True):
        assert found.surprisals == pytest.approx(plain(smollm, item)[0], abs=1e-4)


def test_ranks_are_those_of_the_plain_pass_but_for_ties_within_rounding(smollm: Checkpoint) -> None:
    asked = items(smollm)
    for item, found in zip(asked, score(smollm, asked), strict=True):
        assert found.ranks == pytest.approx(plain(smollm, item)[1], abs=2, rel=1e-3)


def test_the_order_of_the_texts_does_not_matter(smollm: Checkpoint) -> None:
    asked = items(smollm)
    places = random.Random(1).sample(range(len(asked)), len(asked))
    shuffled = score(smollm, [asked[place] for place in places])
    straight = score(smollm, asked)
    for place, found in zip(places, shuffled, strict=True):
        assert found.surprisals == pytest.approx(straight[place].surprisals, abs=1e-4)


def test_the_prompt_of_several_texts_is_read_once(smollm: Checkpoint) -> None:
    tally = Tally()
    score(smollm, items(smollm)[: len(NATIVE)], tally)
    prompt = len(smollm.prompt(TOM))
    assert (tally.queries, tally.hits) == (5 * prompt, 4 * prompt)


def test_a_prefix_of_the_answer_belongs_to_the_prompt(smollm: Checkpoint) -> None:
    conversation, prefix = smollm.ids(Prompt((Message("user", TOM),), "Tom has 3 apples.\n"))
    item = prepare(smollm, conversation + prefix, "So 7.")
    assert score(smollm, [item])[0].surprisals == pytest.approx(plain(smollm, item)[0], abs=1e-4)


def test_a_window_is_bounded_and_every_text_is_in_one(smollm: Checkpoint) -> None:
    asked = [ScoreItem([1] * 4000, 1, items(smollm)[0].spans) for _ in range(9)]
    assert sorted(map(len, windows(asked))) == [1, 4, 4]


def test_a_head_in_blocks_says_the_same_as_a_whole_one() -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(16, 9000)
    states, targets = torch.randn(70, 16), torch.randint(0, 9000, (70,)).tolist()
    with torch.inference_mode():
        blocks, whole = losses(head, states, targets), losses(lambda some: head(some), states, targets)
    assert blocks[0] == pytest.approx(whole[0], abs=1e-5)
    assert blocks[1] == pytest.approx(whole[1], abs=1)


def test_a_surprisal_beyond_the_range_of_exponentials_is_right() -> None:
    head = torch.nn.Linear(1, 3, bias=False)
    head.weight.data = torch.tensor([[0.0], [200.0], [1.0]])
    with torch.inference_mode():
        surprisals, ranks = losses(head, torch.ones(1, 1), [0])
    assert (surprisals, ranks) == ([200.0], [3])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_texts_or_their_length(tiny: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", GROWTH, str(tiny)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    few, many, long = map(float, ended.stdout.split())
    # In MB. All the logits of one of the long texts would take 1,400.
    assert many - few < 100
    assert long - many < 200
