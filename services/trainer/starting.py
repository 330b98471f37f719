"""The model that a training starts from: its folder, tokenizer and fresh weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.inference.checkpoint import LOADING, digest_of, find_folder, require
from services.inference.encoding import configured_ends
from services.trainer.encoding import RowEncoder
from shared.domain.training import TrainingSettings
from shared.errors import FieldError, UnavailableError


@dataclass(frozen=True, slots=True)
class Base:
    """Where a training starts.

    Attributes:
        name, folder, digest: of the model. tokenizer: as it was found, and as the result gets it.
        context: most tokens that the model can look at.
    """

    name: str
    folder: Path
    digest: str
    tokenizer: Any
    context: int

    def encoder(self, settings: TrainingSettings) -> RowEncoder:
        """The encoder of rows. FieldError where more tokens are asked for than the model can look at."""
        limit = settings.max_tokens or self.context
        if limit > self.context:
            cure = f"give at most the model's context of {self.context}"
            raise FieldError("settings.max_tokens", f"is {limit}", cure)
        return RowEncoder(self.tokenizer, configured_ends(self.folder), limit)

    def weights(self) -> Any:
        """The model in float32, read anew."""
        import torch
        from transformers import AutoModelForCausalLM

        with LOADING:
            return AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )


def find_base(source: str) -> Base:
    """The base of that folder, GGUF file or name.

    FieldError where there is no such model, UnavailableError where packages are missing.
    """
    require("torch", "transformers", "trl", "datasets")
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        name, folder = find_folder(source)
    except UnavailableError as error:
        cure = "name a folder with safetensors weights, a GGUF file or a model of the hub"
        raise FieldError("base", f"{source!r} can't be loaded ({error})", cure) from error
    tokenizer = load_tokenizer(folder)
    return Base(name, folder, digest_of(folder, tokenizer.chat_template), tokenizer, _context(folder))


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder as its tokenizer.json says, whatever class its configuration names."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(folder)


def _context(folder: Path) -> int:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    return int(getattr(config.get_text_config(), "max_position_embeddings", 1 << 20))
