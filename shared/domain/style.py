"""Style in numbers: what the student's own text costs it, and what a change adds.

Definitions: METHOD in docs/method.md. Surprisals are in nats. Where a figure can't be computed it is
None together with a reason; NaN never leaves Python.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.trajectory import Span


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Per-token scores of one text under one model.

    All tuples have length T (number of scored tokens, end-of-sequence excluded).

    Attributes:
        spans: code-point spans of the tokens in the scored text; T.
        surprisals: ``-log p(token | prompt, previous tokens)`` in nats; T.
        ranks: 1-based rank of the token in the model's distribution, 0 where the engine doesn't tell it; T.
    """

    spans: tuple[Span, ...]
    surprisals: tuple[float, ...]
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScorerInfo:
    """Which model speaks, and with what right.

    Attributes:
        name: engine and model, for example ``transformers:SmolLM2-135M-Instruct``.
        label: ``native`` (the model that wrote the text), ``surrogate`` (another model), ``proxy`` (fitted
            on the native samples) or ``scripted`` (invents its numbers).
        digest: sha256 over whatever determines the scores (weights, template, fit).
    """

    name: str
    label: str
    digest: str


@dataclass(frozen=True, slots=True)
class StepStyle:
    """Sum of surprisals (`nll`, nats) and token count of one step."""

    index: int
    nll: float
    tokens: int


@dataclass(frozen=True, slots=True)
class StyleLedger:
    """What a text costs the student; sums and counts, so that corpus figures can be token-weighted.

    Attributes:
        student: profile id ``name@digest``.
        scorer: name of the scorer. label: its label.
        nll: sum of surprisals over the refined text, nats. tokens: their number.
        ppl: ``exp(nll / tokens)``; None where tokens = 0.
        quarters: perplexity of the four contiguous quarters; None where a quarter doesn't exist.
        steps: per step of the refined text.
        rsr: rank-surprisal ratio, sum of min(rank, 100) / sum of surprisals; None where undefined.
        drift: nats per token, refined minus native, whole text; 0.0 where nothing was edited.
        edit_drift: the same over the edited spans; None where nothing was edited.
        edit_cost: mean of max(0, surprisal - band) over the edited tokens; None where nothing was edited.
        reason: why figures are missing, else None.
    """

    student: str
    scorer: str
    label: str
    nll: float
    tokens: int
    ppl: float | None
    quarters: tuple[float | None, float | None, float | None, float | None]
    steps: tuple[StepStyle, ...]
    rsr: float | None
    drift: float | None
    edit_drift: float | None
    edit_cost: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class NativeBand:
    """95th percentile of token surprisal (nats) on native samples, one figure a quarter of the text."""

    quarters: tuple[float, float, float, float]

    def at(self, position: int, length: int) -> float:
        """Band for token `position` of a text of `length` tokens (quarter sizes differ by at most one)."""
        return self.quarters[min(3, position * 4 // max(1, length))]


@dataclass(frozen=True, slots=True)
class StudentProfile:
    """Everything that is relative to a student; immutable, named ``name@digest``.

    Attributes:
        name: chosen by the caller. digest: sha256 prefix over all that follows.
        scorer: which model scores for this profile.
        samples: number of native samples it was built from.
        band: the native band.
        alpha: share of native spans that the style gate may flag.
        thresholds: split-conformal thresholds of the gate by span-length bucket: pairs of
            (smallest length in tokens, threshold on the span statistic), ascending.
        notation: the student's notation habits as counted on its samples (see
            `shared.text.notation`), a JSON-ready mapping.
    """

    name: str
    digest: str
    scorer: ScorerInfo
    samples: int
    band: NativeBand
    alpha: float
    thresholds: tuple[tuple[int, float], ...]
    notation: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """``name@digest``."""
        return f"{self.name}@{self.digest}"


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Does an edited span still sound like the student?

    Attributes:
        passed: whether the statistic is at most the threshold.
        statistic: the span statistic; higher is more foreign. threshold: conformal, at the profile's alpha.
        tokens: length of the span. reason: set when the gate could not decide (it then passes).
    """

    passed: bool
    statistic: float
    threshold: float
    tokens: int
    reason: str | None = None
