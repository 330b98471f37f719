"""Rows join and leave a batch in any order, and its room moves; every row sees what it alone has read."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.inference.transformers.batch import GROWTH, RunningBatch
from services.inference.transformers.pasts import Past, read


@pytest.fixture(scope="module")
def small(tiny: Path) -> Checkpoint:
    return load_checkpoint(tiny, device="cpu", threads=1)


@dataclass
class Rows:
    """A batch and, of each of its rows, all the ids that it has read."""

    checkpoint: Checkpoint
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    read: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.batch = RunningBatch(self.checkpoint)

    def join(self, *lengths: int) -> None:
        prompts = [[self.draw.randrange(3, 1000) for _ in range(length)] for length in lengths]
        nothing = [(Past(), ids) for ids in prompts]
        self.batch.join(read(self.checkpoint, nothing, keep=True).pasts)
        self.read += prompts

    def leave(self, *places: int) -> None:
        staying = [place for place in range(len(self.read)) if place not in places]
        self.read = [self.read[place] for place in self.batch.keep(staying)]

    def step(self) -> torch.Tensor:
        ids = [self.draw.randrange(3, 1000) for _ in self.read]
        logits = self.batch.step(ids)
        self.read = [[*known, one] for known, one in zip(self.read, ids, strict=True)]
        return logits

    def alone(self) -> torch.Tensor:
        """What a plain pass over each row's ids gives."""
        model = self.checkpoint.model
        return torch.cat([model(torch.tensor([ids])).logits[:, -1] for ids in self.read])


def test_rows_that_join_and_leave_at_random_are_as_if_alone(small: Checkpoint) -> None:
    rows = Rows(small)
    with torch.inference_mode():
        rows.join(9, 4, 30)
        for turn in range(3 * GROWTH):
            if turn % 7 == 3:
                rows.join(*(rows.draw.randrange(1, 60) for _ in range(rows.draw.randrange(1, 4))))
            if turn % 5 == 4 and len(rows.read) > 2:
                rows.leave(*rows.draw.sample(range(len(rows.read)), rows.draw.randrange(1, 3)))
            logits = rows.step()
            if turn % 16 == 0:
                torch.testing.assert_close(logits, rows.alone(), rtol=1e-4, atol=1e-5)


def test_rows_that_leave_make_their_padding_free(small: Checkpoint) -> None:
    rows = Rows(small)
    with torch.inference_mode():
        rows.join(50, 4)
        rows.leave(0)
    assert rows.batch.columns == 4


def test_the_last_row_takes_the_place_of_one_that_leaves(small: Checkpoint) -> None:
    rows = Rows(small)
    with torch.inference_mode():
        rows.join(5, 6, 7)
        assert rows.batch.keep([1, 2]) == [2, 1]


def test_a_batch_that_is_empty_again_takes_new_rows(small: Checkpoint) -> None:
    rows = Rows(small)
    with torch.inference_mode():
        rows.join(5, 6)
        rows.leave(0, 1)
        rows.join(8)
        torch.testing.assert_close(rows.step(), rows.alone(), rtol=1e-4, atol=1e-5)
