"""One fitted student and one small language model for all tests of this folder."""

import json
from pathlib import Path

import pytest

from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.student.profile import FittedStudent, fit_student

FILE = Path(__file__).parents[1] / "data" / "style" / "authors.jsonl"
NATIVE, CONTROL, SOCRATIC = "gpt3_6b_finetuning", "gpt3_175b_finetuning", "human_gold_socratic"
FITTED = 220


@pytest.fixture(scope="session")
def rows() -> list[dict]:
    """Problems with the solutions of several authors."""
    return [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


@pytest.fixture(scope="session")
def samples(rows: list[dict]) -> list[tuple[str, str]]:
    """Native samples to fit on; the other rows are unseen."""
    return [(row["problem"], row["authors"][NATIVE]["text"]) for row in rows[:FITTED]]


@pytest.fixture(scope="session")
def student(samples: list[tuple[str, str]]) -> FittedStudent:
    """GPT-3 6B, fitted with the proxy."""
    return fit_student("gpt3-6b", samples)


@pytest.fixture(scope="session")
def smollm() -> Checkpoint:
    """SmolLM2-135M-Instruct."""
    return load_checkpoint(threads=1)
