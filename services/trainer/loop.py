"""The loop of TRL's SFTTrainer as this project runs it: on ids, silent, and told step by step.

The rows come as ids with labels, so TRL's own preparation is left out: nothing is encoded again, and no
second end token is added. The loss of a step is the sum over its completion tokens by their number,
whatever the micro batches are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.trainer.encoding import Example
from services.trainer.folder import TrainingFolder
from services.trainer.schedule import share_of_peak
from shared.domain.training import Lora, Loss, TrainingProgress, TrainingSettings
from shared.errors import FieldError

Watch = Callable[[TrainingProgress], None]
_LOSSES = {Loss.SFT: "nll", Loss.DFT: "dft"}
# Checkpoints that are kept: the one before the last stays until the last one is whole.
_CHECKPOINTS = 2


@dataclass
class Meter:
    """What one step adds up to, and what came before.

    Attributes:
        loss, step_tokens: of the step so far, over its micro batches and processes. rate: learning rate.
        tokens: of all steps so far. since: when the last step ended, in seconds of a monotonic clock.
    """

    tokens: int = 0
    loss: float = 0.0
    step_tokens: int = 0
    rate: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def add(self, loss: float, tokens: int) -> None:
        """One micro batch."""
        self.loss += loss
        self.step_tokens += tokens

    def check(self, step: int) -> None:
        """FieldError before weights are touched by a loss that is no number."""
        if not math.isfinite(self.loss):
            cure = "lower the learning rate, warm up longer or look for odd rows"
            raise FieldError("settings.learning_rate", f"the loss is {self.loss} at step {step}", cure)

    def close(self, step: int, steps: int) -> TrainingProgress:
        """The step as progress; the next one begins."""
        now = time.monotonic()
        self.tokens += self.step_tokens
        speed = self.step_tokens / max(now - self.since, 1e-9)
        done = TrainingProgress(step, steps, self.loss, self.rate, self.tokens, speed, peak_memory())
        self.loss, self.step_tokens, self.since = 0.0, 0, now
        return done


def peak_memory() -> int | None:
    """Peak memory of the accelerator in bytes; None on a CPU."""
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


@dataclass(frozen=True, slots=True)
class Following:
    """Who hears of the steps: `folder` and `watch`, of the first process only. `stop` ends the training."""

    folder: TrainingFolder
    watch: Watch
    stop: Callable[[], bool]


def arguments(settings: TrainingSettings, folder: Path, micro: int, processes: int, *, gpu: bool) -> Any:
    """The settings in TRL's words."""
    from trl import SFTConfig

    bfloat16 = settings.precision == "bfloat16" or (settings.precision == "auto" and gpu)
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.batch_size // (micro * processes),
        num_train_epochs=settings.epochs,
        max_steps=settings.steps or -1,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.betas[0],
        adam_beta2=settings.betas[1],
        max_grad_norm=settings.clip,
        optim="adamw_torch_fused",
        loss_type=_LOSSES[settings.loss],
        max_length=None,
        padding_free=settings.packing,
        dataset_kwargs={"skip_prepare_dataset": True},
        activation_checkpointing=settings.checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if settings.checkpointing else None,
        bf16=bfloat16,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        ddp_find_unused_parameters=False,
        seed=settings.seed,
        data_seed=settings.seed,
        save_strategy="no" if settings.save_every is None else "steps",
        save_steps=settings.save_every or 1,
        save_total_limit=_CHECKPOINTS,
        logging_strategy="no",
        log_level="error",
        report_to="none",
        disable_tqdm=True,
    )


def dataset(examples: Sequence[Example]) -> Any:
    """The examples as a data set of ids and labels, 8 bytes a token."""
    import pyarrow
    from datasets import Dataset
    from datasets.table import InMemoryTable

    kind = pyarrow.list_(pyarrow.int32())
    ids = pyarrow.array([example.ids for example in examples], kind)
    labels = pyarrow.array([example.labels for example in examples], kind)
    return Dataset(InMemoryTable(pyarrow.table({"input_ids": ids, "labels": labels})))


def adapter(lora: Lora | None) -> Any:
    """The adapter in peft's words: on all linear layers but the head; None for none."""
    if lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def loop(
    model: Any, tokenizer: Any, rows: Any, told: Any, settings: TrainingSettings, following: Following
) -> Any:
    """An SFTTrainer over `rows` (see `dataset`), with `told` as its arguments. It is ready to train."""
    from transformers import PrinterCallback
    from trl import SFTTrainer

    before = following.folder.curve()
    meter = Meter(before[-1].tokens if before else 0)

    class Loop(SFTTrainer):  # type: ignore[misc]
        """Counts what its steps cost, falls by our schedule, and writes no card."""

        lr_scheduler: Any

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            from torch.optim.lr_scheduler import LambdaLR

            if self.lr_scheduler is None:
                falls = share_of_peak(settings, num_training_steps)
                self.lr_scheduler = LambdaLR(self.optimizer if optimizer is None else optimizer, falls)
            return self.lr_scheduler

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            seen = (
                inputs["attention_mask"].sum() if "attention_mask" in inputs else inputs["input_ids"].numel()
            )
            loss = super().training_step(model, inputs, num_items_in_batch)
            meter.add(*_over_processes(self.accelerator, loss, int(seen)))
            return loss

        def create_model_card(self, **named: Any) -> None:
            return None

    made = Loop(
        model=model,
        args=told,
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=adapter(settings.lora),
        callbacks=[_follower(meter, following)],
    )
    made.remove_callback(PrinterCallback)
    return made


def _over_processes(accelerator: Any, loss: Any, tokens: int) -> tuple[float, int]:
    """Mean of the processes' losses, each of which is scaled by their number, and sum of their tokens."""
    if accelerator.num_processes == 1:
        return float(loss), tokens
    import torch

    told = torch.tensor([[float(loss), float(tokens)]], device=accelerator.device, dtype=torch.float64)
    every = accelerator.gather(told)
    return float(every[:, 0].mean()), int(every[:, 1].sum())


def _agreed(wish: bool) -> bool:
    """Whether any of the processes that train together wishes it; they must all do the same."""
    import torch.distributed as group

    if not group.is_initialized():
        return wish
    wishes: list[bool] = [False] * group.get_world_size()
    group.all_gather_object(wishes, wish)
    return any(wishes)


def _follower(meter: Meter, following: Following) -> Any:
    from transformers import TrainerCallback

    class Follower(TrainerCallback):  # type: ignore[misc]
        """Tells of each step, and stops where that is wished."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            meter.since = time.monotonic()

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            meter.check(state.global_step + 1)
            meter.rate = named["lr_scheduler"].get_last_lr()[0]

        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            done = meter.close(state.global_step, state.max_steps)
            if state.is_world_process_zero:
                following.folder.add(done)
                following.watch(done)
            if _agreed(following.stop()) and done.step < done.steps:
                control.should_save = control.should_training_stop = True

        def on_save(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            # Each process has written its part of the checkpoint once all are here.
            _agreed(True)
            if state.is_world_process_zero:
                following.folder.saved(state.global_step)

    return Follower()
