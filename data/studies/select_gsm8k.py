"""Chooses the GSM8K problems of the studies with SmolLM2; the files stand beside the configs that read them.

Usage: ``python data/studies/select_gsm8k.py SOURCE_FOLDER``, where the folder holds
``style_multi_author/gsm8k_authors.jsonl`` (test problems, each with solutions of several authors) and
``gsm8k_openai/problems_train.jsonl``; README.md beside this file says where they come from.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "services" / "embedded" / "studies"
AUTHOR = "gpt3_175b_finetuning"
SCORED, TRAINED, HELD_OUT = 60, 600, 150
_NOTE = re.compile(r"<<[^<>]*>>")


def main(folder: Path) -> None:
    """Write the three files."""
    test = read(folder / "style_multi_author" / "gsm8k_authors.jsonl")
    solved = [row for row in test if row["authors"][AUTHOR]["correct"]]
    scored = spread(solved, SCORED)
    taken = {row["problem"] for row in scored}
    held_out = spread([row for row in test if row["problem"] not in taken], HELD_OUT)
    train = spread(read(folder / "gsm8k_openai" / "problems_train.jsonl"), TRAINED)
    write(f"gsm8k-test-{SCORED}.jsonl", (with_texts(row) for row in scored))
    write(f"gsm8k-test-{HELD_OUT}.jsonl", (plain(row, reference(row)) for row in held_out))
    write(f"gsm8k-train-{TRAINED}.jsonl", (plain(row, row["gold_solution"]) for row in train))


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def spread(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Every k-th row in the order of the source, k as large as leaves `count`."""
    return rows[:: len(rows) // count][:count]


def reference(row: dict[str, Any]) -> str:
    """The human solution."""
    text: str = row["authors"]["human_gold"]["text"]
    return text


def plain(row: dict[str, Any], solution: str) -> dict[str, Any]:
    """A problem with its reference, calculator notes left out."""
    text = _NOTE.sub("", solution)
    return {"id": row["id"], "problem": row["problem"], "gold": row["gold"], "reference": text}


def with_texts(row: dict[str, Any]) -> dict[str, Any]:
    """The same, with the solution of GPT-3 175B."""
    return {**plain(row, reference(row)), "gpt3_175b": row["authors"][AUTHOR]["text"]}


def write(name: str, rows: Iterable[dict[str, Any]]) -> None:
    """One row a line."""
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (TARGET / name).write_text("".join(lines), encoding="utf-8", newline="\n")
    print(f"{name}: {len(lines)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
