"""The trainer service over TRL's SFTTrainer called directly: trained tokens a second, all else equal.

The rival is a short script in a process of its own; ours is a training asked of the service over gRPC, which
runs it in a child process, tells every step, and publishes the model. Sides take turns, on one thread each.
Rates are taken from the end of the first step to the end of the last one, so loading is left out on both
sides. The student is small (0.9 million weights), where what is done beside the model's own work shows most.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.pairs import PAIRS, Comparison
from shared.clients.trainer import TrainerClient, TrainingRequest
from shared.domain.training import TrainingSettings, TrainingState
from shared.rpc.channel import Target
from shared.store.local import LocalStore

BAR = 0.97
BATCH = 16
START_SECONDS = 300
_RATE = 1e-3
_DIRECT = "--direct"


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument(_DIRECT, type=Path, help="be the rival, on the student and ids in this folder")
    asked = parser.parse_args()
    if asked.direct is not None:
        return direct(asked.direct, asked.steps)
    result = measured(asked.steps, asked.pairs)
    print(f"tokens/s, service {result.ours}, direct {result.rival}", file=sys.stderr)
    line = result.last_line("trainer_over_trl_direct", "times SFTTrainer's tokens/s", BAR)
    print(line)
    return 0 if json.loads(line)["ok"] else 1


def measured(steps: int, pairs: int) -> Comparison:
    """Both sides in turns, after one training each that warms up the disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_student(folder / "student")
        write_rows(folder, steps * BATCH)
        rates: tuple[list[float], list[float]] = ([], [])
        with served(folder) as address, TrainerClient(Target(address)) as client:
            for number in range(pairs + 1):
                sides = (through_service(client, folder, steps, number), through_script(folder, steps))
                for kept, rate in zip(rates, sides, strict=True):
                    kept.append(rate)
    return Comparison(tuple(rates[0][1:]), tuple(rates[1][1:]))


def through_service(client: TrainerClient, folder: Path, steps: int, number: int) -> float:
    """Tokens a second of a training by the service; each has another name, so that each is published."""
    settings = TrainingSettings(
        learning_rate=_RATE, schedule="constant", batch_size=BATCH, micro_batch=BATCH, steps=steps, seed=1
    )
    digest = hashlib.sha256((folder / "rows.jsonl").read_bytes()).hexdigest()
    asked = TrainingRequest(f"bench-{number}", "student", "files/rows", digest, settings)
    told = list(client.watch(client.start(asked).id))
    if told[-1][0].state is not TrainingState.SUCCEEDED:
        raise RuntimeError(f"the training failed: {told[-1][0].error}")
    done = [step for _, step in told if step is not None]
    seconds = sum((now.tokens - then.tokens) / now.tokens_per_second for then, now in pairwise(done))
    return (done[-1].tokens - done[0].tokens) / seconds


def through_script(folder: Path, steps: int) -> float:
    """Tokens a second of the short script."""
    command = [sys.executable, "-m", "bench.trainer_over_trl_direct", "--steps", str(steps)]
    ended = subprocess.run(
        [*command, _DIRECT, str(folder)], env=_environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return float(ended.stdout.strip().splitlines()[-1])


def direct(folder: Path, steps: int) -> int:
    """The rival: SFTTrainer as its documentation shows it, on rows of ids; prints its tokens a second."""
    import torch
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(1)
    rows = load_dataset("json", data_files=str(folder / "ids.jsonl"), split="train", cache_dir=str(folder))
    moments: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        """Notes when steps end."""

        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            moments.append(time.monotonic())

    told = SFTConfig(
        output_dir=str(folder / "direct"),
        per_device_train_batch_size=BATCH,
        learning_rate=_RATE,
        lr_scheduler_type="constant",
        max_steps=steps,
        max_length=None,
        completion_only_loss=True,
        activation_checkpointing=False,
        bf16=False,
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=1,
    )
    model = AutoModelForCausalLM.from_pretrained(folder / "student", dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "student")
    trainer = SFTTrainer(model, told, train_dataset=rows, processing_class=tokenizer, callbacks=[Clock()])
    trainer.train()
    trainer.save_model(str(folder / "direct" / "model"))
    # Rows of one file are all of the same length to a token or two, so steps are taken as equal.
    tokens = sum(len(ids) for ids in rows["input_ids"]) / len(rows) * BATCH * (steps - 1)
    print(tokens / (moments[-1] - moments[0]))
    return 0


def make_student(folder: Path) -> None:
    """A random Qwen2 of 0.9 million weights that reads bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    alphabet = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    raw = Tokenizer(models.BPE({letter: place for place, letter in enumerate(alphabet)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    config = Qwen2Config(
        vocab_size=len(alphabet),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|endoftext|>").save_pretrained(folder)


def write_rows(folder: Path, count: int) -> None:
    """The same rows as texts in the store, and as ids for the rival."""
    from services.inference.prompting import StudentTemplate
    from services.trainer.rows import read_rows
    from services.trainer.starting import find_base

    texts = (
        {"prompt": f"Tom has {n} pens and gets {n} more.", "completion": f"He has {n} + {n} = {2 * n}. " * 3}
        for n in range(1000, 1000 + count)
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    store = LocalStore(folder / "store")
    store.put_if_absent("t/default/files/rows", (folder / "rows.jsonl").read_bytes())
    encoder = find_base(str(folder / "student")).encoder(TrainingSettings())
    with (folder / "ids.jsonl").open("w", encoding="utf-8") as stream:
        for example in encoder.all(read_rows(folder / "rows.jsonl", StudentTemplate())):
            mask = [0] * example.prompt + [1] * (len(example.ids) - example.prompt)
            stream.write(json.dumps({"input_ids": example.ids, "completion_mask": mask}) + "\n")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A trainer service in a process of its own; its address."""
    ready = folder / "ready"
    told = {
        **_environment(),
        "IDIOLECT_READY_FILE": str(ready),
        "IDIOLECT_STATE": str(folder / "state"),
        "IDIOLECT_TRAINER_STORE": f"file:{folder / 'store'}",
        "IDIOLECT_TRAINER_BASES": f"student={folder / 'student'}",
        "IDIOLECT_TRAINER_DEVICE": "cpu",
        "IDIOLECT_TRAINER_THREADS": "1",
    }
    process = subprocess.Popen([sys.executable, "-m", "services.trainer"], env=told)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready.is_file():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the trainer service did not start")
            time.sleep(0.1)
        yield ready.read_text("utf-8").split("\n")[0]
    finally:
        process.terminate()
        process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    sys.exit(main())
