"""Where the pre-trained students lie that come with the package."""

from __future__ import annotations

from pathlib import Path

from shared.errors import FieldError

SEEDS = (1, 2)
_FOLDER = Path(__file__).parent / "students"


def student_folder(seed: int = 1) -> Path:
    """Folder of the student that was pre-trained with this seed; loads like any other model."""
    if seed not in SEEDS:
        cure = f"use one of {', '.join(map(str, SEEDS))}, or pre-train another one"
        raise FieldError("seed", f"{seed} is of no student that is shipped", cure)
    return _FOLDER / f"seed-{seed}"
