"""Figures of a whole file: token-weighted, from sums and counts, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shared.domain import NativeBand, TokenScores
from shared.style.band import excess
from shared.style.perplexity import Loss, loss, quarter_losses
from shared.style.suitability import capped_ranks
from shared.style.tokens import TokenTable


@dataclass(slots=True)
class CorpusStyle:
    """Running sums over texts scored by one scorer.

    Attributes:
        texts: how many texts were added (empty ones included).
        total: surprisals and tokens of all of them. quarters: the same by quarter.
        ranks: sum of min(rank, 100), NaN once a rank is unknown.
        excess: sum of max(0, surprisal - band), nats.
    """

    texts: int = 0
    total: Loss = field(default_factory=Loss)
    quarters: list[Loss] = field(default_factory=lambda: [Loss()] * 4)
    ranks: float = 0
    excess: float = 0.0

    def add(self, scores: TokenScores, band: NativeBand | None = None) -> None:
        """Take in one text; with a band, what exceeds it too."""
        self.texts += 1
        self.total += loss(scores.surprisals)
        parts = quarter_losses(scores.surprisals)
        self.quarters = [old + new for old, new in zip(self.quarters, parts, strict=True)]
        self.ranks += capped_ranks(scores.ranks)
        if band is not None:
            self.excess += sum(excess(scores.surprisals, band))

    @property
    def perplexity(self) -> float:
        """Token-weighted perplexity of all texts; NaN without tokens."""
        return self.total.perplexity

    @property
    def rsr(self) -> float:
        """Rank-surprisal ratio of all texts; NaN where the surprisals add up to 0 or a rank is unknown."""
        return self.ranks / self.total.nll if self.total.nll > 0 else float("nan")


@dataclass(slots=True)
class CorpusComparison:
    """Native against refined texts of a file of refinements, scored by one scorer.

    Attributes:
        native, refined: figures of either side. tokens: which tokens carry and which gain.
    """

    native: CorpusStyle = field(default_factory=CorpusStyle)
    refined: CorpusStyle = field(default_factory=CorpusStyle)
    tokens: TokenTable = field(default_factory=TokenTable)

    def add(
        self,
        native: TokenScores,
        native_text: str,
        refined: TokenScores,
        refined_text: str,
        band: NativeBand | None = None,
    ) -> None:
        """Take in one pair of texts with their scores; with a band, what exceeds it too."""
        self.native.add(native, band)
        self.refined.add(refined, band)
        self.tokens.add(native, native_text, refined, refined_text)

    @property
    def drift(self) -> float:
        """Nats a token of all refined texts minus that of all native ones; NaN without tokens."""
        return self.refined.total.mean - self.native.total.mean

    @property
    def cost(self) -> float:
        """What the refined tokens exceed the band by, a native token, in nats; NaN without native tokens.

        Zero, too, where the pairs were added without a band.
        """
        tokens = self.native.total.tokens
        return self.refined.excess / tokens if tokens else math.nan
