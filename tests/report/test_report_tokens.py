"""Per-token strips from the sidecar that `idiolect refine --tokens` writes."""

import json
import re
from pathlib import Path
from typing import Any

from made_records import EGGS, made_record, write_records

from services.embedded.report.records import result_files
from services.embedded.report.tokens import MOST_TOKENS, sidecar_of, token_strips
from services.embedded.tokenfile import journal_to_parquet

REPAIRED = made_record(outcome="repaired", edits=[("16 - 3 = 13", "16 - 3 - 4 = 9")], wrong=0)


def score_row(line: int, side: str, text: str) -> dict[str, Any]:
    """A sidecar row with one token a word, its surprisal the length of the word."""
    words = list(re.finditer(r"\S+", text))
    return {
        "line": line, "id": "x", "side": side,
        "start": [word.start() for word in words], "end": [word.end() for word in words],
        "surprisal": [float(len(word[0])) for word in words], "rank": [1] * len(words),
    }  # fmt: skip


def strips_of(folder: Path, rows: list[dict[str, Any]]) -> dict[int, dict[str, list[list[Any]]]]:
    results = write_records(folder / "out.jsonl", [REPAIRED])
    journal = folder / "journal"
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    journal_to_parquet(journal, sidecar_of(results))
    _, record = next(result_files([results])[0].records())
    return token_strips(results, {1: record})


def test_without_a_sidecar_there_are_no_token_strips(tmp_path: Path) -> None:
    assert token_strips(tmp_path / "out.jsonl", {1: REPAIRED}) == {}


def test_the_tokens_of_a_text_join_to_the_text(tmp_path: Path) -> None:
    text = "\n".join(EGGS)
    strips = strips_of(tmp_path, [score_row(1, "native", text)])
    assert "".join(token[0] for token in strips[1]["native"]) == text


def test_the_tokens_of_an_edit_are_marked_on_both_sides(tmp_path: Path) -> None:
    texts = {"native": REPAIRED["native"]["text"], "refined": REPAIRED["refined"]["text"]}
    strips = strips_of(tmp_path, [score_row(1, side, text) for side, text in texts.items()])
    edited = {side: "".join(t for t, _, e in tokens if e) for side, tokens in strips[1].items()}
    assert edited == {"native": " 16 - 3 = 13", "refined": " 16 - 3 - 4 = 9"}


def test_records_that_are_not_shown_get_no_strip(tmp_path: Path) -> None:
    assert strips_of(tmp_path, [score_row(7, "native", "other words")]) == {}


def test_a_text_of_very_many_tokens_gets_no_strip(tmp_path: Path) -> None:
    assert strips_of(tmp_path, [score_row(1, "native", "a " * (MOST_TOKENS + 1))]) == {}
