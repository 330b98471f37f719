"""The tally of a job: what its first root shards came to, so that nobody reads each of them again and again.

It speaks of outcomes, which never change. So whichever version stands in the store is right, and none has to
be there: who finds it short reads on from where it ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from shared.errors import IntegrityError
from shared.jobs.order import Fate, ShardOutcome, summed


@dataclass(frozen=True, slots=True)
class Tally:
    """What the root shards from the first on came to, as long as each is decided whole.

    Attributes:
        roots: how many they are. shards: that they consist of. counts: their records by outcome.
        cut: whether one of them ended before its last line.
    """

    roots: int = 0
    shards: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    cut: bool = False

    def further(self, outcomes: Sequence[ShardOutcome]) -> Tally:
        """With one root more, which consists of shards with these outcomes."""
        counts = summed([self.counts, *(outcome.counts for outcome in outcomes)])
        cut = self.cut or any(outcome.fate is Fate.CANCELLED for outcome in outcomes)
        return Tally(self.roots + 1, self.shards + len(outcomes), counts, cut)

    def to_bytes(self) -> bytes:
        """As it stands in the store."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Tally:
        """What `to_bytes` wrote."""
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"a tally can't be read ({error})") from None
