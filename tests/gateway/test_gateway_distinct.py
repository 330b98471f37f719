"""Custom ids that came before are found without holding all of them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from services.gateway.distinct import Distinct

MEBIBYTE = 1 << 20


def test_a_text_is_new_once() -> None:
    with Distinct() as seen:
        assert [seen.add(text) for text in ("a", "b", "a", "ä", "b", "")] == [
            True,
            True,
            False,
            True,
            False,
            True,
        ]


def test_each_file_is_judged_by_itself() -> None:
    with Distinct() as one, Distinct() as other:
        assert one.add("a")
        assert other.add("a")


def test_text_that_is_no_unicode_is_a_text_too() -> None:
    with Distinct() as seen:
        assert [seen.add("\ud800"), seen.add("\ud801"), seen.add("\ud800")] == [True, True, False]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_texts() -> None:
    process = psutil.Process()
    with Distinct() as seen:
        for number in range(300_000):
            assert seen.add(f"request-{number}")
        before = process.memory_info().rss
        for number in range(300_000, 900_000):
            assert seen.add(f"request-{number}")
        assert process.memory_info().rss - before < 4 * MEBIBYTE
        assert not seen.add("request-17")
        assert not seen.add("request-899999")


def test_nothing_stays_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with Distinct() as seen:
        for number in range(200_000):
            seen.add(f"request-{number}")
    assert not list(tmp_path.iterdir())
