"""What a call spent, as it stands in messages and in trailing metadata."""

from __future__ import annotations

from typing import Any

from shared.metering import Usage
from shared.rpc.generated.idiolect.types.v1 import types_pb2 as pb

_KEY = "idiolect-usage-bin"


def usage_message(usage: Usage) -> pb.Usage:
    """The message."""
    return pb.Usage(tokens_in=usage.tokens_in, tokens_out=usage.tokens_out)


def usage_of(message: pb.Usage) -> Usage:
    """What a message says; nothing where a service doesn't tell."""
    return Usage(message.tokens_in, message.tokens_out)


def usage_trailer(usage: Usage) -> tuple[tuple[str, bytes], ...]:
    """Trailing metadata; empty where nothing was spent."""
    return ((_KEY, usage_message(usage).SerializeToString()),) if usage.total else ()


def trailing_usage(metadata: Any) -> Usage:
    """What trailing metadata, which may be None, say."""
    packed = dict(metadata or ()).get(_KEY)
    return usage_of(pb.Usage.FromString(packed)) if isinstance(packed, bytes) else Usage()
