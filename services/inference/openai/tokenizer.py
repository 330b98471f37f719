"""A model's tokenizer and chat template without its weights, for servers that take token ids."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.inference.encoding import encode, render
from shared.domain.model import Message, Prompt
from shared.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Encoded:
    """Ids of prompt and prefix in a row, ids of the text, and the text's offsets in code points."""

    before: list[int]
    ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class FolderTokenizer:
    """Encodes as every engine with a tokenizer does; not safe for two threads at once.

    Attributes:
        digest: sha256 over tokenizer and template. library: the library's own object.
    """

    digest: str
    library: Any

    @classmethod
    def load(cls, folder: Path) -> FolderTokenizer:
        """From a folder with ``tokenizer.json``, ``tokenizer_config.json`` and, if any, the chat template.

        Raises UnavailableError where the package or the files are missing.
        """
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise UnavailableError(f"there is no tokenizer.json in {folder}")
        try:
            import transformers
        except ImportError as error:
            raise UnavailableError("transformers is not installed; install idiolect[student]") from error
        library = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
        whole = hashlib.sha256(str(library.chat_template or "").encode() + file.read_bytes())
        return cls(whole.hexdigest(), library)

    def encoded(self, prompt: Prompt, text: str = "") -> Encoded:
        """Prompt, prefix and text, each encoded alone. Raises FieldError for what can't be encoded."""
        ids, offsets = encode(self.library, text)
        prefix, _ = encode(self.library, prompt.prefix, "prefix")
        return Encoded(render(self.library, prompt.messages) + prefix, ids, offsets)

    def sent_text(self, messages: tuple[Message, ...]) -> str:
        """The prompt for a server that encodes it: without the begin token that the server will add."""
        if not self.library.chat_template:
            return "".join(f"{message.content}\n\n" for message in messages)
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text: str = self.library.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        begin = self.library.bos_token
        adds = begin and self.library("")["input_ids"][:1] == [self.library.bos_token_id]
        return text.removeprefix(begin) if adds else text

    def pieces(self, ids: list[int]) -> list[str]:
        """What each id is when decoded alone."""
        return [self.library.decode([number]) for number in ids]
