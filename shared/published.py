"""Models in the artifact store: published once under their digest, and which of them the student serves.

```
t/TENANT/models/NAME/DIGEST/FILE   a file of the model: safetensors, tokenizer, configuration
t/TENANT/models/NAME/DIGEST/card   what it is and where it comes from, written last: then it is published
models/serving                     what the student serves; replaced as a whole
```
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.errors import FieldError, IntegrityError, NotFoundError
from shared.store.base import CHUNK, Store

SERVING = "models/serving"
_CARD = "card"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """Names a model in the store: whose it is, what it is called, and its digest."""

    tenant: str
    name: str
    digest: str

    @property
    def folder(self) -> str:
        """Where its files stand; ends with a slash."""
        return f"t/{self.tenant}/{self.path}/"

    @property
    def path(self) -> str:
        """The folder within the tenant's name space."""
        return f"models/{self.name}/{self.digest}"

    @property
    def card(self) -> str:
        """The object that says that it is published."""
        return self.folder + _CARD


def check_name(field: str, name: str) -> None:
    """FieldError where a model, or a name space, can't be called so."""
    if not _NAME.fullmatch(name):
        cure = "use up to 64 letters, digits, points, dashes and underscores, a letter or digit first"
        raise FieldError(field, f"is {name[:80]!r}", cure)


def publish(store: Store, model: PublishedModel, folder: Path, card: Mapping[str, Any]) -> bool:
    """Put a model's files and then its card. False: it was published before, and stays as it was."""
    if store.exists(model.card):
        return False
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}
    for name in files:
        store.put_if_absent(model.folder + name, _pieces(folder / name))
    told = {**card, "name": model.name, "digest": model.digest, "files": files}
    return store.put_if_absent(model.card, json.dumps(told, indent=1, sort_keys=True).encode())


def card_of(store: Store, model: PublishedModel) -> dict[str, Any]:
    """The card of a model. NotFoundError where it is not published."""
    try:
        card: dict[str, Any] = json.loads(store.get(model.card))
    except NotFoundError:
        raise NotFoundError(f"there is no published model {model.name}@{model.digest}") from None
    return card


def fetch(store: Store, model: PublishedModel, folder: Path) -> Path:
    """The model's files on disk, below `folder`; they are there whole or not at all, and stay.

    IntegrityError where a file is not what the card says.
    """
    target = folder / model.name / model.digest
    if target.is_dir():
        return target
    aside = target.with_name(f".{model.digest}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, digest in card_of(store, model)["files"].items():
        with (aside / name).open("wb") as stream:
            stream.writelines(store.stream(model.folder + name))
        if _sha256(aside / name) != digest:
            raise IntegrityError(f"{model.folder}{name} is not the file that was published")
    aside.rename(target)
    return target


@dataclass(frozen=True, slots=True)
class Serving:
    """What the student serves: a published model, or one as an adapter on the model it has loaded."""

    model: PublishedModel
    adapter: bool = False


def serve(store: Store, serving: Serving) -> None:
    """Have every student that follows the store serve that model. NotFoundError where it isn't published."""
    card_of(store, serving.model)
    store.put(SERVING, json.dumps(asdict(serving)).encode())


def serving_of(store: Store) -> Serving | None:
    """What students are to serve; None where nobody has said."""
    try:
        told = json.loads(store.get(SERVING))
    except NotFoundError:
        return None
    return Serving(PublishedModel(**told["model"]), told["adapter"])


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
