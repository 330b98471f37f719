"""The trainer in this process: TRL's SFTTrainer on all weights or an adapter, resumable from its folder.

Trainings may follow each other in one process, never run side by side: the libraries keep their state, the
seed among it, in the process. The number of threads is left as the caller set it.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.inference.prompting import StudentTemplate
from services.trainer.checking import check_settings, micro_batch
from services.trainer.encoding import Example
from services.trainer.folder import TrainingFolder
from services.trainer.loop import Following, Watch, arguments, dataset, loop
from services.trainer.packing import check_packing
from services.trainer.rows import read_rows
from services.trainer.saving import digest, save
from services.trainer.starting import Base, find_base
from shared.domain.training import TrainedModel, TrainingOrder
from shared.errors import StoppedError, UnavailableError
from shared.identity import Setting, flat

# Another number refuses to go on from checkpoints of code that trained differently.
_ALGORITHM = 1
_FULL_DISK = ("No space left", "PytorchStreamWriter failed", "inline_container", "iostream error")


@dataclass(frozen=True, slots=True)
class _Beginning:
    """Whether the model is there already, and else the checkpoint to go on from; None: from the start."""

    done: bool
    checkpoint: str | None


class LocalTrainer:
    """Implements `shared.ports.Trainer`.

    `device` is ``cpu`` or None for a GPU where there is one. `stop` is asked after every step; once it says
    True a checkpoint is written and `train` raises StoppedError.
    """

    def __init__(self, device: str | None = None, stop: Callable[[], bool] = lambda: False) -> None:
        self._device = device
        self._stop = stop

    def train(self, order: TrainingOrder, folder: Path, watch: Watch) -> TrainedModel:
        """Train, going on from a checkpoint of the same order in `folder`; the model is left in its `model`.

        A training that is done is not repeated. DriftError where the folder belongs to another order.
        """
        base, rows, place = self._learn(order, folder, watch)
        return self._result(order, base, rows, place)

    def take_part(self, order: TrainingOrder, folder: Path) -> None:
        """What every process but the first does of a training that several do together."""
        self._learn(order, folder, lambda _: None)

    def _learn(self, order: TrainingOrder, folder: Path, watch: Watch) -> tuple[Base, int, TrainingFolder]:
        check_settings(order.settings)
        base = find_base(order.base)
        template = StudentTemplate(order.system, order.instruction)
        examples = list(base.encoder(order.settings).all(read_rows(order.rows, template)))
        place = TrainingFolder(folder)
        with _room(folder):
            self._run(order, base, examples, Following(place, watch, self._stop))
        return base, len(examples), place

    def _run(self, order: TrainingOrder, base: Base, examples: list[Example], following: Following) -> None:
        place, settings = following.folder, order.settings
        begin = self._beginning(place, identity(order, base))
        if begin.done:
            return
        trainer = self._loop(order, base, examples, following)
        trainer.train(resume_from_checkpoint=begin.checkpoint)
        if trainer.state.global_step < trainer.state.max_steps:
            raise StoppedError(f"stopped after step {trainer.state.global_step}; its checkpoint is kept")
        save(trainer, base, place.model, adapted=settings.lora is not None)
        if trainer.is_world_process_zero():
            shutil.rmtree(place.checkpoints, ignore_errors=True)

    def _beginning(self, place: TrainingFolder, order: dict[str, Setting]) -> _Beginning:
        """Where to begin, as the first process sees it: a shared folder may look older on another node."""
        from accelerate import PartialState
        from accelerate.utils import broadcast_object_list

        state = PartialState(cpu=not self._on_gpu())
        told: list[_Beginning | None] = [None]
        if state.is_main_process:
            place.claim(order)
            told = [_Beginning(place.model.is_dir(), None)]
            if not place.model.is_dir() and (checkpoint := place.resumable()) is not None:
                told = [_Beginning(False, str(checkpoint))]
        if state.num_processes > 1:
            broadcast_object_list(told)
        assert told[0] is not None
        return told[0]

    def _loop(self, order: TrainingOrder, base: Base, examples: list[Example], following: Following) -> Any:
        from accelerate import PartialState

        settings, gpu = order.settings, self._on_gpu()
        processes = PartialState(cpu=not gpu).num_processes
        longest = max(len(example.ids) for example in examples)
        micro = micro_batch(settings, processes, longest, gpu=gpu)
        told = arguments(settings, following.folder.checkpoints, micro, processes, gpu=gpu)
        model = base.weights()
        if settings.packing:
            check_packing(model)
        # A tokenizer of its own, because the loop pads with whatever it finds and writes it down there.
        return loop(model, _copied(base), dataset(examples), told, settings, following)

    def _on_gpu(self) -> bool:
        import torch

        return self._device != "cpu" and torch.cuda.is_available()

    def _result(self, order: TrainingOrder, base: Base, rows: int, place: TrainingFolder) -> TrainedModel:
        adapted, curve = order.settings.lora is not None, place.curve()
        return TrainedModel(
            name=order.name,
            folder=place.model,
            digest=digest(base, place.model, adapted=adapted),
            rows=rows,
            tokens=curve[-1].tokens,
            curve=curve,
            adapter=adapted,
        )


def identity(order: TrainingOrder, base: Base) -> dict[str, Setting]:
    """What determines a training, by dotted name."""
    with order.rows.open("rb") as stream:
        rows = hashlib.file_digest(stream, "sha256").hexdigest()
    beside = {"instruction": order.instruction, "system": order.system, "arm": order.arm}
    return flat(
        {
            "name": order.name,
            "base": base.digest,
            "rows": rows,
            "settings": asdict(order.settings),
            "algorithm": _ALGORITHM,
            **beside,
        }
    )


def _copied(base: Base) -> Any:
    import copy

    return copy.deepcopy(base.tokenizer)


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Room and memory that ran out, in this project's words; the libraries say it in several of theirs."""
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UnavailableError(
            f"memory ran out ({_first_line(error)}); lower micro_batch or max_tokens, or set checkpointing"
        ) from error
    except Exception as error:
        if _tells_of_full_disk(error):
            raise UnavailableError(f"there is no room left in {folder}; free some and start again") from error
        raise


def _tells_of_full_disk(error: BaseException) -> bool:
    """Whether a write failed for want of room; writers of tensors lose the reason on the way."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or any(words in str(error) for words in _FULL_DISK)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
