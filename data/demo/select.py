"""Chooses the demo's records from the full data sets: every k-th record of one student, in file order.

The rule looks at position, data set and generator only, never at whether a solution is right or can be
repaired. Usage: ``python data/demo/select.py SOURCE_FOLDER``, where the folder holds ``tinyllama_rho``,
``gsm8k_openai`` and ``realcritic`` (see README.md beside this file for where they come from).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIELDS = ("id", "problem", "gold", "reference", "steps", "text", "generator", "final_answer", "final_correct")


@dataclass(frozen=True)
class Choice:
    """Every `stride`-th record of the `sources` whose generator contains `generator`."""

    target: str
    sources: tuple[str, ...]
    datasets: tuple[str, ...]
    generator: str
    stride: int


CHOICES = (
    Choice("tinyllama.jsonl", ("tinyllama_rho/traces.jsonl",), ("gsm8k", "svamp"), "+ 1B OpenWebMath", 5),
    Choice("gpt3_6b.jsonl", ("gsm8k_openai/gpt3_solutions.jsonl",), ("gsm8k",), "GPT-3 6b_finetuning", 3),
    Choice("realcritic.jsonl", ("realcritic/gsm8k.jsonl", "realcritic/math.jsonl"), ("gsm8k", "math"), "", 1),
)


def main(folder: Path) -> None:
    """Write the three files beside this script."""
    for choice in CHOICES:
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in chosen(folder, choice)]
        Path(__file__).with_name(choice.target).write_text("".join(lines), encoding="utf-8", newline="\n")
        print(f"{choice.target}: {len(lines)} records")


def chosen(folder: Path, choice: Choice) -> Iterator[dict[str, Any]]:
    """Every `stride`-th matching record, with the fields that the demo needs."""
    matching = [record for record in records(folder, choice.sources) if matches(record, choice)]
    for record in matching[:: choice.stride]:
        yield {field: record[field] for field in FIELDS if record.get(field) is not None}


def records(folder: Path, sources: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The records of all sources, in file order."""
    for source in sources:
        for line in (folder / source).read_bytes().split(b"\n"):
            if line:
                yield json.loads(line)


def matches(record: dict[str, Any], choice: Choice) -> bool:
    """Whether a record is of the student and the data sets of this choice."""
    return record["dataset"] in choice.datasets and choice.generator in record["generator"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
