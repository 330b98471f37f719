"""How a command reaches the platform: address and key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import FieldError

if TYPE_CHECKING:
    from shared.clients.platform import PlatformClient

KEY = "IDIOLECT_KEY"
Url = Annotated[
    str,
    typer.Option("--url", envvar="IDIOLECT_URL", metavar="URL", help="Address of the gateway."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help=f"File that holds the key alone; else {KEY} is taken."),
]
LOCAL_URL = "http://127.0.0.1:8080"


def connected(url: str, key_file: Path | None) -> PlatformClient:
    """A client of the gateway. FieldError where the key can't be read."""
    from shared.clients.platform import PlatformClient

    return PlatformClient(url, _key(key_file))


def _key(key_file: Path | None) -> str | None:
    if key_file is None:
        return os.environ.get(KEY) or None
    try:
        text = key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FieldError("--key-file", f"{key_file} can't be read ({error})", "name a text file") from None
    if not text or len(text.splitlines()) != 1:
        raise FieldError("--key-file", f"{key_file} doesn't hold one line", "write the key alone into it")
    return text
