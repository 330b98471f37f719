"""What is trained on are the ids that the scorer reads and the generator writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_students import CONTEXT

from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.inference.encoding import configured_ends
from services.inference.prompting import StudentTemplate
from services.trainer.encoding import Example, RowEncoder
from services.trainer.starting import find_base
from shared.domain import Message
from shared.domain.training import TrainingRow, TrainingSettings
from shared.errors import FieldError

TEMPLATE = StudentTemplate("You are terse.", "Think.")
ANSWER = "It is <|im_end|> four.\n\nSo 4."


@pytest.fixture(scope="module")
def checkpoint(pupil: Path) -> Checkpoint:
    return load_checkpoint(pupil, threads=1)


@pytest.fixture(scope="module")
def example(pupil: Path) -> Example:
    row = TrainingRow(TEMPLATE.prompt("2 + 2?").messages, ANSWER)
    return find_base(str(pupil)).encoder(TrainingSettings()).one(row)


def test_the_prompt_has_the_ids_that_a_scorer_puts_before_the_text(
    checkpoint: Checkpoint, example: Example
) -> None:
    conversation, _ = checkpoint.ids(TEMPLATE.prompt("2 + 2?"))
    assert list(example.ids[: example.prompt]) == conversation


def test_the_completion_has_the_ids_that_are_scored(checkpoint: Checkpoint, example: Example) -> None:
    scored, _ = checkpoint.encode(ANSWER)
    assert list(example.ids[example.prompt : -1]) == scored


def test_the_last_id_is_the_one_that_ends_a_turn(checkpoint: Checkpoint, example: Example) -> None:
    assert example.ids[-1] == checkpoint.tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_the_loss_is_on_the_completion_and_its_end_only(example: Example) -> None:
    assert example.labels == (-100,) * example.prompt + example.ids[example.prompt :]


def test_the_same_holds_for_the_tokenizer_of_a_real_model() -> None:
    smollm = load_checkpoint(threads=1)
    encoder = RowEncoder(smollm.tokenizer, None, smollm.context)
    made = encoder.one(TrainingRow((Message("user", "2 + 2?"),), ANSWER))
    assert list(made.ids) == smollm.prompt("2 + 2?") + smollm.encode(ANSWER)[0] + [
        smollm.tokenizer.convert_tokens_to_ids("<|im_end|>")
    ]


def test_a_row_longer_than_the_context_is_named_by_its_line(pupil: Path) -> None:
    encoder = find_base(str(pupil)).encoder(TrainingSettings())
    rows = [TrainingRow((Message("user", "?"),), text) for text in ("4", "4 " * CONTEXT)]
    with pytest.raises(FieldError, match=rf"line 2: completion: makes \d+ tokens .* more than {CONTEXT}"):
        list(encoder.all(enumerate(rows, 1)))


def test_more_tokens_than_the_context_can_not_be_asked_for(pupil: Path) -> None:
    with pytest.raises(FieldError, match=r"settings\.max_tokens"):
        find_base(str(pupil)).encoder(TrainingSettings(max_tokens=CONTEXT + 1))


def test_a_model_without_a_template_ends_with_its_configured_token(pupil: Path) -> None:
    bare = find_base(str(pupil)).tokenizer
    bare.chat_template = None
    made = RowEncoder(bare, configured_ends(pupil), CONTEXT).one(TrainingRow((Message("user", "?"),), "4"))
    assert made.ids[-1] == bare.eos_token_id
