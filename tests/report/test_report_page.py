"""The page as a file: what it counts, what it shows, what it escapes, what it needs."""

import re
import tracemalloc
from pathlib import Path

import pytest
import typer
from made_records import EGGS, made_record, write_records
from typer.testing import CliRunner

from services.embedded.commands.report import command
from services.embedded.report.assembly import part, write_report
from shared.errors import InputError

REPAIRED = made_record(outcome="repaired", edits=[("16 - 3 = 13", "16 - 3 - 4 = 9")], wrong=0)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    records = (
        [REPAIRED] * 3
        + [made_record()] * 2
        + [made_record(outcome="rejected", reason="no candidate", wrong=1)]
    )
    return write_records(tmp_path / "out.jsonl", records)


def page_of(results: Path, **options: int) -> str:
    output = results.with_name("report.html")
    write_report([results], output, **options)
    return output.read_text(encoding="utf-8")


def test_every_record_is_counted_however_few_are_shown(results: Path) -> None:
    written = write_report([results], results.with_name("report.html"), most=2)
    assert (written.records, written.shown) == (6, 2)


def test_the_page_says_how_many_records_are_left_out(results: Path) -> None:
    assert "2 of 6 records are shown, 4 are left out" in page_of(results, most=2)


def test_each_outcome_has_its_count_and_share(results: Path) -> None:
    assert re.search(
        r'<span class="count">3</span><span class="name">repaired · 50%</span>', page_of(results)
    )


def test_a_proxy_is_called_a_proxy(results: Path) -> None:
    assert "proxy:word-5 (a proxy: fitted on the student&#x27;s own texts; 6 records)" in page_of(results)


def test_the_page_addresses_nothing_outside_itself(results: Path) -> None:
    assert not re.findall(r"https?://|//[a-z]+\.|@import|url\(", page_of(results))


def test_a_text_cannot_close_the_script_that_holds_it(tmp_path: Path) -> None:
    record = made_record(steps=("</script><img src=x onerror=alert(1)><!--",))
    assert "<img" not in page_of(write_records(tmp_path / "out.jsonl", [record]))


def test_a_reason_cannot_become_markup(tmp_path: Path) -> None:
    record = made_record(outcome="failed", reason="<b onmouseover=alert(1)>")
    assert "<b onmouseover" not in page_of(write_records(tmp_path / "out.jsonl", [record]))


def test_a_text_that_looks_like_a_slot_of_the_template_stays_text(tmp_path: Path) -> None:
    page = page_of(write_records(tmp_path / "%%style%%.jsonl", [made_record(steps=("%%script%%",))]))
    assert page.count(part("page.js")) == 1


def test_lines_that_hold_no_record_are_told_and_not_counted(results: Path) -> None:
    with results.open("a") as lines:
        lines.write('{"schema":"idiolect.record/1","outcome":"kept"}\n{"torn')
    assert "2 lines hold no record and are not counted (lines 7, 8)" in page_of(results)


def test_a_record_that_breaks_the_untouched_text_guarantee_is_told(tmp_path: Path) -> None:
    broken = {**made_record(), "refined": {"text": "other", "steps": [[0, 5]]}}
    assert "1 texts differ from the student’s outside the edits" in page_of(
        write_records(tmp_path / "out.jsonl", [broken])
    )


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no records"):
        write_report([tmp_path / "empty.jsonl"], tmp_path / "report.html")


def test_a_missing_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        write_report([tmp_path / "absent.jsonl"], tmp_path / "report.html")


def test_equal_files_give_equal_pages(results: Path) -> None:
    assert page_of(results, most=3) == page_of(results, most=3)


def test_rare_outcomes_are_among_the_shown(tmp_path: Path) -> None:
    records = [made_record()] * 200 + [made_record(outcome="failed", reason="invalid utf-8")]
    assert '"outcome":"failed"' in page_of(write_records(tmp_path / "out.jsonl", records), most=10)


def test_a_text_of_a_megabyte_is_cut_on_the_page(tmp_path: Path) -> None:
    long = made_record(steps=("1 + 1 = 2 " * 100_000,))
    assert len(page_of(write_records(tmp_path / "out.jsonl", [long]))) < 150_000


def peak_of_a_report(folder: Path, records: int) -> int:
    results = write_records(folder / "out.jsonl", [REPAIRED] * records)
    tracemalloc.start()
    write_report([results], folder / "report.html", most=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    few, many = peak_of_a_report(tmp_path, 300), peak_of_a_report(tmp_path, 1_500)
    assert many < 1.2 * few


def test_the_command_prints_one_line_of_json_when_asked(results: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    ended = CliRunner().invoke(app, [str(results), "-o", str(results.with_name("page.html")), "--json"])
    assert ended.stdout == (
        f'{{"path": "{results.with_name("page.html")}", "records": 6, "shown": 6, "left_out": 0}}\n'
    )


SCHEMES = dict(
    zip(("light", "dark"), re.findall(r":root \{(.*?)\}", part("style.css"), re.DOTALL), strict=True)
)
PAIRS = [
    (front, back)
    for back in ("paper", "raised")
    for front in (
        "ink",
        "soft",
        "accent",
        "kept",
        "repaired",
        "regenerated",
        "rejected",
        "undecided",
        "failed",
    )
] + [
    *(("ink", back) for back in ("gone", "come", "gone-strong", "come-strong", "q0", "q1", "q2", "q3")),
    *(("raised", back) for back in ("q4", "q5", "q6")),
]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_text_stands_out_from_its_background(scheme: str, front: str, back: str) -> None:
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", SCHEMES[scheme]))
    lighter, darker = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_the_steps_of_the_student_are_on_the_page(results: Path) -> None:
    assert EGGS[1] in page_of(results)
