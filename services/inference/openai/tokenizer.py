"""A model's tokenizer and chat template without its weights, for servers that take token ids."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.inference.encoding import check_size, encode, longest_token, render
from shared.domain.model import Prompt
from shared.errors import FieldError, UnavailableError


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
        longest: most characters that one token stands for.
    """

    digest: str
    library: Any
    longest: int

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
        return cls(whole.hexdigest(), library, longest_token(library))

    def encoded(self, prompt: Prompt, text: str = "") -> Encoded:
        """Prompt, prefix and text, each encoded alone. Raises FieldError for what can't be encoded."""
        ids, offsets = encode(self.library, text)
        prefix, _ = encode(self.library, prompt.prefix, "prefix")
        return Encoded(render(self.library, prompt.messages) + prefix, ids, offsets)

    def check_size(self, prompt: Prompt, text: str, context: int) -> None:
        """Raises FieldError for what can't fit however it is encoded; spares encoding megabytes."""
        for place, message in enumerate(prompt.messages):
            check_size(f"messages[{place}].content", message.content, context, self.longest)
        check_size("prefix", prompt.prefix, context, self.longest)
        check_size("text", text, context, self.longest)

    def sent_text(self, prompt: Prompt) -> str:
        """Prompt and prefix for a server that encodes them itself, and adds the begin token if there is one.

        Raises FieldError where it would read other tokens, above all special tokens written in a message.
        Only where the prefix begins may the server join characters into other tokens.
        """
        ids, begin = render(self.library, prompt.messages), self.library.bos_token
        text: str = self.library.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if begin and self.library("")["input_ids"][:1] == [self.library.bos_token_id]:
            text = text.removeprefix(begin)
        cure = "take out texts of special tokens, or use an endpoint that takes token ids"
        if list(self.library(text)["input_ids"]) != ids:
            raise FieldError("messages", "would be read as other tokens by the endpoint", cure)
        prefix = self.library(prompt.prefix, add_special_tokens=False)["input_ids"]
        if list(prefix) != encode(self.library, prompt.prefix, "prefix")[0]:
            raise FieldError("prefix", "would be read as other tokens by the endpoint", cure)
        return text + prompt.prefix

    def pieces(self, ids: list[int]) -> list[str]:
        """What each id is when decoded alone."""
        return [self.library.decode([number]) for number in ids]
