"""One attempt at a shard, as the run log beside the job tells it; never part of a record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from shared.errors import IntegrityError


@dataclass(frozen=True, slots=True)
class Attempted:
    """What an attempt did and spent.

    Attributes:
        shard, attempt: which one. host: where it ran. started, told: seconds since the epoch.
        end: ``commit``, ``cancelled`` or ``given_back``; None while it is at work, and where it was killed.
        lines: that it finished. tokens_in, tokens_out: that the oracle's language model read and wrote.
        retries: calls that were tried again, by cause.
    """

    shard: str
    attempt: str
    host: str
    started: float
    told: float
    end: str | None = None
    lines: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As it stands in the store."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Attempted:
        """What `to_bytes` wrote."""
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"a run log can't be read ({error})") from None
