"""GGUF weights, unpacked once to safetensors in the user's cache, since reading them is slow."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any

from shared.errors import UnavailableError

VERSION = "2"


def cache_folder() -> Path:
    """``$IDIOLECT_CACHE``, else ``idiolect`` in the user's cache folder."""
    given = os.environ.get("IDIOLECT_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "idiolect"


def converted(file: Path) -> Path:
    """A folder with the float32 safetensors weights, configuration and tokenizer of a GGUF file.

    Made on first use and found again by the file's content; several processes may ask at once.
    Raises UnavailableError where the file is none, or the cache can't be written.
    """
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    target = cache_folder() / "checkpoints" / f"{digest[:32]}-{VERSION}"
    if not target.is_dir():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _publish(file, target)
        except (OSError, ValueError, struct.error) as error:
            # What transformers has against the file itself may be an OSError too, but not one of the system.
            if not isinstance(error, OSError) or error.errno is None:
                raise UnavailableError(
                    f"{file.name} can't be read as GGUF ({error}); bring it whole"
                ) from error
            told = f"{file.name} can't be unpacked into {target.parent} ({error.strerror})"
            cure = "set IDIOLECT_CACHE to a folder that can be written and has room"
            raise UnavailableError(f"{told}; {cure}") from error
    return target


def _publish(file: Path, target: Path) -> None:
    """Convert into a folder aside and rename it; who comes second keeps the first one's."""
    aside = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        _convert(file, aside)
        aside.chmod(0o755)
        aside.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _convert(file: Path, folder: Path) -> None:
    import torch
    import transformers

    source = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source, trust_remote_code=False)
    tokenizer.save_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.float32, trust_remote_code=False
    )
    _save(model, folder)


def _save(model: Any, folder: Path) -> None:
    from safetensors.torch import save_file

    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    weights = {name: value.contiguous() for name, value in model.state_dict().items() if name not in tied}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    # Servers of other projects look there for the class to load.
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
