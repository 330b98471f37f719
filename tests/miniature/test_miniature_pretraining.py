"""Pre-training is the same for the same seed and learns from its first steps on."""

from pathlib import Path

import pytest

from services.embedded.miniature.corpus import Corpus, Equations, Mix
from services.embedded.miniature.pretraining import pretrain
from services.embedded.miniature.recipe import RECIPE, Phase, Recipe
from services.inference.checkpoint import load_checkpoint

SHORT = Recipe((Phase(6, Mix(0.35), 1.0, 1.0), Phase(3, Mix(0.15, 0.02), 0.3, 0.02)), batch=4)


@pytest.mark.long
def test_equal_seeds_give_equal_digests(tmp_path: Path) -> None:
    for name in ("one", "other"):
        pretrain(5, tmp_path / name / "student", SHORT)
    made = [load_checkpoint(tmp_path / name / "student", threads=1).digest for name in ("one", "other")]
    assert made[0] == made[1]


@pytest.mark.long
def test_another_seed_gives_another_digest(tmp_path: Path) -> None:
    for seed in (5, 6):
        pretrain(seed, tmp_path / str(seed), SHORT)
    made = [load_checkpoint(tmp_path / str(seed), threads=1).digest for seed in (5, 6)]
    assert made[0] != made[1]


def test_the_loss_falls(tmp_path: Path) -> None:
    losses: list[float] = []
    pretrain(1, tmp_path, SHORT, lambda _, loss: losses.append(loss))
    assert losses[-1] < losses[0]


def test_rows_hold_the_share_of_equations_that_is_asked_for() -> None:
    corpus = Corpus(1)
    rows = [corpus.row(Mix(equations=0.35)) for _ in range(2000)]
    assert 0.32 < sum(isinstance(row, Equations) for row in rows) / 2000 < 0.38


@pytest.mark.parametrize("step", [0, 10, 600, 949])
def test_the_learning_rate_never_passes_its_peak(step: int) -> None:
    assert 0 < RECIPE.phases[0].share(step) <= RECIPE.phases[0].peak
