"""Pieces of a study on disk: there whole or not at all, never mistaken for others."""

from pathlib import Path

import pytest

from services.pipeline.study.shelf import Shelf
from shared.errors import DriftError, IntegrityError


def test_a_piece_is_there_for_what_it_was_made_of(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.keep("arms/native", {"count": 3}, [{"id": "a"}])
    assert shelf.has("arms/native", {"count": 3})


def test_the_content_comes_back_line_by_line(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.keep("piece", {"count": 3}, [{"id": "a"}, {"id": "b"}])
    assert list(shelf.lines("piece")) == [{"id": "a"}, {"id": "b"}]


def test_any_character_of_a_sample_comes_back(tmp_path: Path) -> None:
    Shelf(tmp_path).keep("piece", {}, [{"text": "7\x00"}])
    assert Shelf(tmp_path).first("piece") == {"text": "7\x00"}


def test_a_piece_of_something_else_is_refused_with_the_difference(tmp_path: Path) -> None:
    Shelf(tmp_path).keep("piece", {"rule": {"count": 3}}, [])
    with pytest.raises(DriftError, match=r"rule\.count: 3 -> 4"):
        Shelf(tmp_path).has("piece", {"rule": {"count": 4}})


def test_a_setting_that_is_new_is_a_difference(tmp_path: Path) -> None:
    Shelf(tmp_path).keep("piece", {"count": 3}, [])
    with pytest.raises(DriftError, match="seed: absent -> 1"):
        Shelf(tmp_path).has("piece", {"count": 3, "seed": 1})


def test_a_fresh_start_removes_what_does_not_fit(tmp_path: Path) -> None:
    Shelf(tmp_path).keep("piece", {"count": 3}, [])
    assert not Shelf(tmp_path, fresh=True).has("piece", {"count": 4})
    assert not (tmp_path / "piece.jsonl").exists()


def test_a_piece_that_breaks_while_it_is_written_is_not_there(tmp_path: Path) -> None:
    def lines():
        yield {"id": "a"}
        raise OSError("full")

    shelf = Shelf(tmp_path)
    with pytest.raises(OSError, match="full"):
        shelf.keep("piece", {"count": 3}, lines())
    assert not shelf.has("piece", {"count": 3})


def test_a_foreign_file_is_no_piece(tmp_path: Path) -> None:
    (tmp_path / "piece.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(IntegrityError, match="another folder"):
        Shelf(tmp_path).has("piece", {})
