"""Which settings can be trained with, and how a batch is cut into micro batches."""

from __future__ import annotations

import math
from collections.abc import Iterator

from shared.domain.training import Lora, TrainingSettings
from shared.errors import FieldError

# Tokens that one pass may hold where the caller leaves the micro batch to the trainer.
TOKENS_ON_GPU = 16_384
TOKENS_ON_CPU = 4096
_ABOVE = "give a number above 0"
_WHOLE = "give a whole number from 1"


def check_settings(settings: TrainingSettings) -> None:
    """Raises FieldError for the first setting that can't work."""
    for name, holds, cure in _rules(settings):
        if not holds:
            raise FieldError(f"settings.{name}", f"is {_value(settings, name)!r}", cure)


def _value(settings: TrainingSettings, name: str) -> object:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _rules(given: TrainingSettings) -> Iterator[tuple[str, bool, str]]:
    """(name, whether it can work, what would) of every setting."""
    yield "learning_rate", _above(given.learning_rate), _ABOVE
    yield "schedule", given.schedule in ("linear", "cosine", "constant"), "use linear, cosine or constant"
    yield "warmup_steps", given.warmup_steps >= 0, "give a whole number from 0"
    yield "final_share", 0 <= given.final_share <= 1, "give a number from 0 to 1"
    yield "batch_size", given.batch_size >= 1, _WHOLE
    divides = given.micro_batch is None or (
        given.micro_batch >= 1 and given.batch_size % given.micro_batch == 0
    )
    yield "micro_batch", divides, f"give a divisor of the batch of {given.batch_size}"
    yield "epochs", _above(given.epochs), _ABOVE
    yield "steps", given.steps is None or given.steps >= 1, _WHOLE
    yield "max_tokens", given.max_tokens is None or given.max_tokens >= 1, _WHOLE
    yield "weight_decay", given.weight_decay >= 0, "give a number from 0"
    yield "betas", all(0 <= beta < 1 for beta in given.betas), "give two numbers from 0 to below 1"
    yield "clip", _above(given.clip), _ABOVE
    yield "precision", given.precision in ("auto", "float32", "bfloat16"), "use auto, float32 or bfloat16"
    yield "save_every", given.save_every is None or given.save_every >= 1, _WHOLE
    yield "seed", 0 <= given.seed < 1 << 32, "give a whole number from 0 to 2^32 - 1"
    if given.lora is not None:
        yield from _adapter_rules(given.lora)


def _adapter_rules(given: Lora) -> Iterator[tuple[str, bool, str]]:
    yield "lora.rank", given.rank >= 1, _WHOLE
    yield "lora.alpha", _above(given.alpha), _ABOVE
    yield "lora.dropout", 0 <= given.dropout < 1, "give a number from 0 to below 1"


def _above(number: float) -> bool:
    return number > 0 and math.isfinite(number)


def micro_batch(settings: TrainingSettings, processes: int, longest: int, *, gpu: bool) -> int:
    """Examples of one pass on one process; `longest` is the most tokens of an example.

    FieldError where the batch can't be dealt to the processes evenly.
    """
    share, rest = divmod(settings.batch_size, processes)
    if rest or not share:
        cure = f"give a multiple of the {processes} processes"
        raise FieldError("settings.batch_size", f"is {settings.batch_size}", cure)
    if settings.micro_batch is not None:
        if share % settings.micro_batch:
            cure = f"give a divisor of the {share} examples that each process gets"
            raise FieldError("settings.micro_batch", f"is {settings.micro_batch}", cure)
        return settings.micro_batch
    room = (TOKENS_ON_GPU if gpu else TOKENS_ON_CPU) // longest
    return next(size for size in range(max(1, min(room, share)), 0, -1) if share % size == 0)
