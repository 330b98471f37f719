"""A disk that is full: a clear word, nothing half there, and all well again once there is space."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import UnavailableError
from shared.store.local import LocalStore


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LocalStore]:
    """A store on a disk of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("this machine mounts no tmpfs")
    yield LocalStore(disk)
    subprocess.run(["umount", disk], check=True)


@pytest.fixture
def full(small: LocalStore) -> LocalStore:
    """The same, nearly full, after a put that didn't fit."""
    small.put_if_absent("first", b"x" * 1_500_000)
    with pytest.raises(UnavailableError):
        small.put_if_absent("jobs/1/second", b"y" * 1_500_000)
    return small


def test_the_message_names_the_folder_and_the_reason(small: LocalStore) -> None:
    with pytest.raises(UnavailableError, match=f"{small.root} can't be used: there is no space left"):
        small.put_if_absent("k", iter([b"x" * 1_000_000] * 3))


def test_nothing_of_a_put_that_did_not_fit_is_there(full: LocalStore) -> None:
    assert [path.name for path in full.root.rglob("*") if path.is_file()] == ["first"]


def test_a_hint_that_did_not_fit_leaves_the_old_one(full: LocalStore) -> None:
    full.put("hint", b"old")
    with pytest.raises(UnavailableError):
        full.put("hint", b"y" * 1_500_000)
    assert full.get("hint") == b"old"


def test_it_works_again_once_there_is_space(full: LocalStore) -> None:
    full.delete("first")
    assert full.put_if_absent("jobs/1/second", b"y" * 1_500_000)
