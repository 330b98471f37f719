"""The proxy scorer: a small language model fitted in seconds on a student's own samples.

Cross-fitted: samples are dealt into folds by the hash of their problem, and a text of a problem is scored by
the model that saw no text of that problem's fold. So no text is ever scored by a model that was fitted on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.student.lexis import Lexis, Symbols, learn_lexis, vocabulary
from services.student.ngram import Ngram
from shared.domain import ScorerInfo, Span, TokenScores
from shared.ports import ScoreRequest

FOLDS = 6
VERSION = "proxy-1"


def fold_of(problem: str) -> int:
    """The fold of a problem: 0 .. FOLDS - 1, by the hash of its text."""
    return hashlib.sha256(problem.encode("utf-8", "surrogatepass")).digest()[0] % FOLDS


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as the model reads it: its symbols, and surprisal (nats) and rank of each among the symbols."""

    symbols: Symbols
    surprisals: list[float]
    ranks: list[int]


class ProxyScorer:
    """Implements `shared.ports.Scorer`; needs no package, no GPU and no weights.

    Tokens are words, numbers and signs. Surprisals are exact for the fitted model; ranks too, where members
    of an open class (words of the problem, numbers) stand in the order in which they turned up, and an
    unknown word stands behind the whole vocabulary.
    """

    def __init__(self, samples: Sequence[tuple[str, str]]) -> None:
        """Fit on (problem, solution) samples; takes seconds for a few thousand."""
        parts: list[list[tuple[str, str]]] = [[] for _ in range(FOLDS)]
        for problem, text in samples:
            parts[fold_of(problem)].append((problem, text))
        self._models = [
            _Model([sample for other in range(FOLDS) if other != fold for sample in parts[other]])
            for fold in range(FOLDS)
        ]
        self._info = ScorerInfo("proxy:word-4gram", "proxy", _digest(samples))

    @property
    def info(self) -> ScorerInfo:
        """Label ``proxy``; the digest covers the samples and the version of the fit."""
        return self._info

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """One result a request, in order."""
        return [_scores(self.read(request.problem, request.text)) for request in requests]

    def read(self, problem: str, text: str) -> Reading:
        """The solution of a problem as the model reads it."""
        return self._models[fold_of(problem)].read(problem, text)


def _scores(reading: Reading) -> TokenScores:
    symbols = reading.symbols
    starts = (0, *symbols.ends)
    return TokenScores(
        spans=tuple(map(Span, starts, symbols.ends)),
        surprisals=tuple(map(float.__add__, reading.surprisals, symbols.extra)),
        ranks=tuple(map(int.__add__, reading.ranks, symbols.ahead)),
    )


class _Model:
    """The model of one fold."""

    def __init__(self, samples: Sequence[tuple[str, str]]) -> None:
        self.lexis: Lexis = learn_lexis(samples)
        texts = [self.lexis.read(problem, text) for problem, text in samples]
        names = ("@unknown", *vocabulary(texts))
        self._numbers = {name: number for number, name in enumerate(names)}
        self._ngram = Ngram((self._sequence(symbols) for symbols in texts), len(names))

    def read(self, problem: str, text: str) -> Reading:
        symbols = self.lexis.read(problem, text)
        return Reading(symbols, *self._ngram.run(self._sequence(symbols)))

    def _sequence(self, symbols: Symbols) -> list[int]:
        return [self._numbers.get(name, 0) for name in symbols.names]


def _digest(samples: Sequence[tuple[str, str]]) -> str:
    """sha256 over the version and the samples, whatever their order."""
    lines = sorted(f"{len(problem)}:{problem}{text}" for problem, text in samples)
    whole = hashlib.sha256(VERSION.encode())
    for line in lines:
        whole.update(hashlib.sha256(line.encode("utf-8", "surrogatepass")).digest())
    return whole.hexdigest()
