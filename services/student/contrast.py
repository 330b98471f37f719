"""What tells the student's steps from other authors': a small logistic model over words, signs and letters.

Fitted on the student's own steps against the steps of a background of other authors (services/student/data),
cross-fitted by problem like the proxy. Its log-odds are one half of the gate's statistic.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.student.engines.proxy import FOLDS, fold_of
from services.student.lexis import Lexis, learn_lexis
from services.student.pieces import reasoning_spans

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.int32]

WIDTH = 1 << 15
PENALTY = 4e-4
ROUNDS = 60
RATE = 0.1
# Steps of either side that are used at most.
MOST_NATIVE = 1_800
MOST_FOREIGN = 4_000
BACKGROUND = Path(__file__).parent / "data" / "background.jsonl"
_DIGIT = re.compile(r"\d")


class Contrast:
    """Log-odds that a stretch of text is another author's, by fold of its problem."""

    def __init__(self, weights: Floats) -> None:
        """`weights` [FOLDS, WIDTH + 1], the last one a constant."""
        # Stored in single precision; used so from the start, so that loading changes no verdict.
        self.weights = weights.astype(np.float32).astype(np.float64)

    @classmethod
    def fit(cls, samples: Sequence[tuple[str, str]]) -> Contrast:
        """Fit on native (problem, solution) samples against the background."""
        own = [(fold_of(problem), _steps(problem, text)) for problem, text in samples]
        held_out = [
            [step for fold, steps in own if fold != held for step in steps][:MOST_NATIVE]
            for held in range(FOLDS)
        ]
        return cls(np.stack([_fit(steps, _foreign_steps()) for steps in held_out]))

    def log_odds(self, problem: str, text: str) -> float:
        """Log-odds of one step or stretch; 0 where it is empty."""
        features = _features(problem, text)
        if not len(features):
            return 0.0
        weights = self.weights[fold_of(problem)]
        return float(weights[features].sum() / len(features) ** 0.5 + weights[WIDTH])


@lru_cache(maxsize=1)
def background() -> tuple[tuple[str, str], ...]:
    """The (problem, solution) pairs of other authors."""
    rows = (json.loads(line) for line in BACKGROUND.read_text("utf-8").split("\n") if line)
    return tuple((row["problem"], row["text"]) for row in rows)


@lru_cache(maxsize=1)
def _lexis() -> Lexis:
    """The lexis of the background: it owes nothing to the student's samples."""
    return learn_lexis(background())


@lru_cache(maxsize=1)
def _foreign_steps() -> list[Features]:
    steps = chain.from_iterable(_steps(problem, text) for problem, text in background())
    return list(islice(steps, MOST_FOREIGN))


def _steps(problem: str, text: str) -> list[Features]:
    """Features of every reasoning step."""
    return [_features(problem, span.of(text)) for span in reasoning_spans(text)]


def _features(problem: str, text: str) -> Features:
    """Hashed features that occur: one to three successive symbols, two to four successive characters.

    Digits are masked, and words of the problem stand for each other.
    """
    if not text.strip():
        return np.zeros(0, dtype=np.int32)
    names = ["^", *_lexis().read(problem, text).names, "$"]
    found = {
        "\0".join(names[place : place + length])
        for length in (1, 2, 3)
        for place in range(len(names) - length + 1)
    }
    masked = _DIGIT.sub("0", f"\n{text}\n")
    for length in (2, 3, 4):
        found.update("c" + masked[place : place + length] for place in range(len(masked) - length + 1))
    hashed = {zlib.crc32(feature.encode("utf-8", "surrogatepass")) % WIDTH for feature in found}
    return np.fromiter(sorted(hashed), dtype=np.int32)


def _fit(own: Sequence[Features], other: Sequence[Features]) -> Floats:
    """Logistic regression with both sides of equal weight, by Adam on the whole set."""
    rows = [*own, *other]
    lengths = np.array([len(row) for row in rows])
    flat, row_of = np.concatenate(rows).astype(np.intp), np.repeat(np.arange(len(rows)), lengths)
    root = lengths**-0.5
    scale, read = np.repeat(root, lengths), np.empty(len(flat))
    label = np.concatenate([np.zeros(len(own)), np.ones(len(other))])
    share = np.concatenate([np.full(len(own), 0.5 / len(own)), np.full(len(other), 0.5 / len(other))])
    weights, first, second = (np.zeros(WIDTH + 1) for _ in range(3))
    for turn in range(1, ROUNDS + 1):
        # With a mode the entries are written in place; all are within bounds.
        np.take(weights, flat, out=read, mode="clip")
        read *= scale
        odds = np.bincount(row_of, read, len(rows)) + weights[WIDTH]
        error = (1 / (1 + np.exp(-odds)) - label) * share
        slope = np.bincount(flat, np.repeat(error * root, lengths), WIDTH + 1) + 2 * PENALTY * weights
        slope[WIDTH] = error.sum()
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        weights -= RATE * (first / (1 - 0.9**turn)) / (np.sqrt(second / (1 - 0.999**turn)) + 1e-8)
    return weights
