"""Sets untrusted text apart in a prompt, so that no text can end its place and go on as an instruction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

KEY_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Fence:
    """Tags with a key that occurs in none of the texts they enclose.

    Equal texts have equal keys, so that equal requests make equal prompts.
    """

    key: str

    @classmethod
    def around(cls, *texts: str) -> Fence:
        """A fence for these texts; the key is cut from their sha256."""
        digest = hashlib.sha256("\x1f".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
        while any(digest[:KEY_DIGITS] in text for text in texts):
            digest = hashlib.sha256(digest.encode()).hexdigest()
        return cls(digest[:KEY_DIGITS])

    def quote(self, label: str, text: str) -> str:
        """`text` between an opening and a closing tag, each on a line of its own."""
        return f"<{label} key={self.key}>\n{text}\n</{label} key={self.key}>"
