"""The oracle's prompts: versioned files, filled with values that are never read as placeholders.

A file ``prompts/NAME.vN.md`` holds two parts, each under a line of its own: ``## system`` and ``## user``. A
placeholder is a lower-case word in braces; any other brace is text. A prompt that was published keeps its
words: another wording is another version.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from shared.domain import Message, Prompt
from shared.errors import FieldError

CRITIC = "critic.v1"
REWRITE = "rewrite.v1"
JUDGE = "judge.v1"

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PARTS = re.compile(r"\A## system\n(?P<system>.*)^## user\n(?P<user>.*)\Z", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"[a-z_]+\.v[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """One version of one prompt.

    Attributes:
        name: ``critic``. version: its number.
        digest: sha256 over the bytes of the file, in hexadecimal.
        system, user: the two parts, placeholders included.
    """

    name: str
    version: int
    digest: str
    system: str
    user: str

    @property
    def id(self) -> str:
        """``critic.v1@`` and the first twelve digits of the digest, as provenance quotes it."""
        return f"{self.name}.v{self.version}@{self.digest[:12]}"

    @property
    def placeholders(self) -> frozenset[str]:
        """Names of the values that the two parts ask for."""
        return frozenset(_PLACEHOLDER.findall(f"{self.system}\n{self.user}"))

    def filled(self, **values: str) -> Prompt:
        """The conversation with every placeholder replaced; braces in the values stay what they are.

        Raises FieldError where a value is missing or nobody asks for one that is given.
        """
        self._check(values)
        parts = (Message("system", _fill(self.system, values)), Message("user", _fill(self.user, values)))
        return Prompt(parts)

    def _check(self, values: dict[str, str]) -> None:
        missing = sorted(self.placeholders - values.keys())
        unknown = sorted(values.keys() - self.placeholders)
        if missing:
            cure = "give a value for every placeholder"
            raise FieldError(f"prompt {self.id}", f"asks for {', '.join(missing)}", cure)
        if unknown:
            cure = "leave it out or name it in the file"
            raise FieldError(f"prompt {self.id}", f"has no place for {', '.join(unknown)}", cure)


@cache
def load_prompt(name: str) -> PromptFile:
    """The prompt ``critic.v1``; FieldError where there is none of that name, or where a part is missing."""
    place = files("services.oracle") / "prompts" / f"{name}.md"
    if not _NAME.fullmatch(name) or not place.is_file():
        raise FieldError("prompt", f"{name!r} is not there", f"use one of {', '.join(prompt_names())}")
    return read_prompt(name, place.read_bytes())


def read_prompt(name: str, content: bytes) -> PromptFile:
    """The prompt `name` (``critic.v1``) whose file holds `content`."""
    found = _PARTS.match(content.decode("utf-8"))
    if found is None:
        cure = "begin the parts with the lines '## system' and '## user'"
        raise FieldError(f"prompt {name}", "lacks a part", cure)
    stem, _, version = name.rpartition(".v")
    digest = hashlib.sha256(content).hexdigest()
    return PromptFile(stem, int(version), digest, found["system"].strip(), found["user"].strip())


def prompt_names() -> tuple[str, ...]:
    """Every prompt that is there, in order."""
    found = (files("services.oracle") / "prompts").iterdir()
    return tuple(sorted(place.name.removesuffix(".md") for place in found if place.name.endswith(".md")))


def prompt_digests() -> dict[str, str]:
    """Digest of every prompt by its name, for provenance."""
    return {name: load_prompt(name).digest for name in prompt_names()}


def _fill(part: str, values: dict[str, str]) -> str:
    """One pass over the file's own text, so that a value is never searched for placeholders."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], part)
