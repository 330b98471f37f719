"""Which cause of a stall a call that isn't answered speaks of."""

from __future__ import annotations

from collections.abc import Sequence

from shared.clients.under_way import Call
from shared.jobs.stall import ENGINE, ORACLE, VERIFIER

_THINKING = frozenset({"Locate", "Rewrite", "JudgeRetention", "Reward"})
_LONGEST_VERDICT_SECONDS = 30.0
"""The verifier ends a question long before; one that takes longer is not being answered at all."""


def cause_of_waiting(call: Call, thinks: bool) -> str:
    """The cause if a call is never answered. `thinks`: the oracle uses a language model."""
    if call.service == ORACLE and not (thinks and call.method in _THINKING):
        return VERIFIER
    return ENGINE


def telling(calls: Sequence[Call]) -> Call | None:
    """The call that tells most about why nothing moves, of those waited for, the longest first.

    An oracle that has stopped answers neither its quick calls nor its slow ones; only the quick ones tell.
    """
    stuck = (call for call in calls if call.method == "Verify" and call.seconds > _LONGEST_VERDICT_SECONDS)
    return next(stuck, calls[0] if calls else None)
