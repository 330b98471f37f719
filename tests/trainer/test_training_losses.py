"""The losses, against their formulas on the same ids; micro batches and packing don't change them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_students import SETTINGS, ignore, losses, order_of

from services.inference.prompting import StudentTemplate
from services.trainer.local import LocalTrainer
from services.trainer.rows import read_rows
from services.trainer.starting import find_base
from shared.domain.training import Loss, TrainingProgress
from shared.errors import FieldError

TOKEN_LOSSES: dict[Loss, Callable[[Any], Any]] = {
    Loss.SFT: lambda chosen: -chosen,
    Loss.DFT: lambda chosen: -chosen.exp() * chosen,
}


def mean_over_completions(pupil: Path, rows: Path, token_loss: Callable[[Any], Any]) -> float:
    """Mean of a loss over all completion tokens, example by example, in plain PyTorch."""
    base = find_base(str(pupil))
    model, total, tokens = base.weights().eval(), 0.0, 0
    for example in base.encoder(SETTINGS).all(read_rows(rows, StudentTemplate())):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([example.ids])).logits[0]
        chosen = logits.log_softmax(-1)[range(len(example.ids) - 1), list(example.ids[1:])]
        learnt = chosen[example.prompt - 1 :]
        total, tokens = total + float(token_loss(learnt).sum()), tokens + len(learnt)
    return total / tokens


def curve(pupil: Path, rows: Path, folder: Path, **changed: Any) -> tuple[TrainingProgress, ...]:
    return LocalTrainer("cpu").train(order_of(pupil, rows, **changed), folder, ignore).curve


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("micro", [20, 3, 1])
def test_the_first_loss_is_that_of_the_formula_over_all_completion_tokens(
    pupil: Path, rows: Path, tmp_path: Path, loss: Loss, micro: int
) -> None:
    size = 21 if micro == 3 else 20
    done = curve(pupil, rows, tmp_path, loss=loss, batch_size=size, micro_batch=micro, steps=1)
    assert done[0].loss == pytest.approx(mean_over_completions(pupil, rows, TOKEN_LOSSES[loss]), rel=1e-5)


def test_the_gradient_of_dft_leaves_the_probability_alone(pupil: Path, rows: Path, tmp_path: Path) -> None:

    base = find_base(str(pupil))
    examples = list(base.encoder(SETTINGS).all(read_rows(rows, StudentTemplate())))
    model = base.weights().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    expected = []
    for _ in range(3):
        parts = []
        for example in examples:
            logits = model(input_ids=torch.tensor([example.ids])).logits[0]
            chosen = logits.log_softmax(-1)[range(len(example.ids) - 1), list(example.ids[1:])]
            parts.append(chosen[example.prompt - 1 :])
        every = torch.cat(parts)
        loss = (-every.exp().detach() * every).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        expected.append(float(loss.detach()))
    asked = {"loss": Loss.DFT, "batch_size": 20, "steps": 3, "schedule": "constant"}
    assert losses(curve(pupil, rows, tmp_path, **asked)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("loss", list(Loss))
def test_micro_batches_learn_what_the_whole_batch_learns(
    pupil: Path, rows: Path, tmp_path: Path, loss: Loss
) -> None:
    whole = curve(pupil, rows, tmp_path / "whole", loss=loss, micro_batch=4)
    cut = curve(pupil, rows, tmp_path / "cut", loss=loss, micro_batch=1)
    assert losses(cut) == pytest.approx(losses(whole), rel=1e-3)


def test_packing_learns_what_padded_rows_learn(pupil: Path, rows: Path, tmp_path: Path) -> None:
    padded = curve(pupil, rows, tmp_path / "padded")
    packed = curve(pupil, rows, tmp_path / "packed", packing=True)
    assert losses(packed) == pytest.approx(losses(padded), rel=1e-3)


def test_packing_is_refused_where_examples_would_look_at_each_other(rows: Path, tmp_path: Path) -> None:
    from mixing_students import make_mixing_student

    order = order_of(make_mixing_student(tmp_path / "mixing"), rows, packing=True)
    with pytest.raises(FieldError, match=r"settings\.packing: would let examples look at each other"):
        LocalTrainer("cpu").train(order, tmp_path / "run", ignore)


def test_checkpointing_changes_no_loss(pupil: Path, rows: Path, tmp_path: Path) -> None:
    kept = curve(pupil, rows, tmp_path / "kept")
    recomputed = curve(pupil, rows, tmp_path / "recomputed", checkpointing=True)
    assert losses(recomputed) == pytest.approx(losses(kept), rel=1e-4)


def test_bfloat16_follows_float32_nearly(pupil: Path, rows: Path, tmp_path: Path) -> None:
    full = curve(pupil, rows, tmp_path / "full")
    half = curve(pupil, rows, tmp_path / "half", precision="bfloat16")
    assert losses(half) == pytest.approx(losses(full), rel=0.05)
