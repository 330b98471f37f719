"""A fitted student: what it keeps, and what its gate lets pass."""

from pathlib import Path

import pytest

from services.student.evaluation import Flags, Pair, half_of, paired_auroc, splice
from services.student.gate import threshold_for
from services.student.harm import evaluate_harm, reordered, without_self_talk
from services.student.pieces import is_answer_line, reasoning_spans
from services.student.profile import FittedStudent, fit_student, load_student
from shared.domain import Span
from shared.errors import FieldError, InputError, IntegrityError
from shared.ports import StyleGate
from tests.student.conftest import CONTROL, FITTED, NATIVE, SOCRATIC


def flagged(student: FittedStudent, rows: list[dict], author: str) -> float:
    """Share of unseen spliced steps of the author that the gate flags."""
    flags = Flags()
    for row in rows[FITTED:]:
        texts = {name: row["authors"][name]["text"] for name in (NATIVE, author)}
        for one in splice(Pair(row["problem"], texts[NATIVE], texts[author]), texts[author]):
            if not one.answer:
                verdict = student.gate.judge(one.problem, one.text, one.span, student.profile)
                flags += Flags(1, int(not verdict.passed))
    return flags.share


def test_the_gate_is_a_style_gate(student: FittedStudent) -> None:
    assert isinstance(student.gate, StyleGate)


def test_unseen_native_steps_mostly_pass(student: FittedStudent, rows: list[dict]) -> None:
    assert flagged(student, rows, NATIVE) <= 0.12


def test_steps_of_a_like_author_mostly_pass(student: FittedStudent, rows: list[dict]) -> None:
    assert flagged(student, rows, CONTROL) <= 0.2


def test_steps_of_a_foreign_author_are_flagged(student: FittedStudent, rows: list[dict]) -> None:
    assert flagged(student, rows, SOCRATIC) >= 0.45


def test_a_span_without_tokens_passes_with_a_reason(student: FittedStudent) -> None:
    verdict = student.gate.judge("How many?", "So 3 + 4 = 7", Span(4, 4), student.profile)
    assert (verdict.passed, verdict.tokens, bool(verdict.reason)) == (True, 0, True)


def test_a_threshold_is_that_of_the_longest_bucket_that_fits() -> None:
    bounds = ((1, 0.1), (7, 0.7), (20, 2.0))
    assert [threshold_for(bounds, tokens) for tokens in (1, 6, 7, 19, 500)] == [0.1, 0.1, 0.7, 0.7, 2.0]


def test_a_profile_survives_its_folder(student: FittedStudent, tmp_path: Path) -> None:
    student.save(tmp_path)
    loaded = load_student(tmp_path)
    span = Span(0, 12)
    judged = [s.gate.judge("How many?", "So 3 + 4 = 7", span, s.profile) for s in (student, loaded)]
    assert loaded.profile == student.profile
    assert judged[0] == judged[1]


def test_a_changed_sample_is_noticed(student: FittedStudent, tmp_path: Path) -> None:
    student.save(tmp_path)
    file = tmp_path / "samples.jsonl"
    file.write_bytes(file.read_bytes().replace(b"So", b"Thus", 1))
    with pytest.raises(IntegrityError):
        load_student(tmp_path)


def test_a_folder_without_a_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"profile\.json"):
        load_student(tmp_path)


def test_the_name_holds_the_digest(student: FittedStudent) -> None:
    assert student.profile.id == f"gpt3-6b@{student.profile.digest}"


def test_too_few_samples_are_refused(samples: list[tuple[str, str]]) -> None:
    with pytest.raises(InputError, match="at least 200"):
        fit_student("few", samples[:199])


def test_an_alpha_outside_the_unit_interval_is_refused(samples: list[tuple[str, str]]) -> None:
    with pytest.raises(FieldError, match="alpha"):
        fit_student("odd", samples, alpha=1.0)


@pytest.mark.parametrize("line", ["#### 18", "A: 18", "The answer is 18.", "# Answer\n\n\\sqrt{53}"])
def test_an_answer_line_is_known(line: str) -> None:
    assert is_answer_line(line)


@pytest.mark.parametrize("line", ["So 3 + 4 = 7", "She makes 9 * 2 = $18 every day so the answer is 18"])
def test_a_step_that_reasons_is_no_answer_line(line: str) -> None:
    assert not is_answer_line(line)


def test_spliced_steps_leave_out_the_answer_line() -> None:
    pair = Pair("p", "a = 1\nb = 2\nA: 2", "c = 3\nA: 3")
    assert [(one.text, one.answer) for one in splice(pair, pair.other)] == [
        ("c = 3\nb = 2\nA: 2", False),
        ("a = 1\nc = 3\nA: 2", False),
        ("a = 1\nb = 2\nA: 3", True),
    ]


def test_paired_auroc_counts_ties_half() -> None:
    assert paired_auroc([1, 1, 1, 1], [2, 2, 1, 0]) == 0.625


def test_halves_are_about_equal(samples: list[tuple[str, str]]) -> None:
    assert 0.4 < sum(half_of(problem) for problem, _ in samples) / len(samples) < 0.6


def test_self_talk_is_removed_sentence_by_sentence() -> None:
    edited = without_self_talk("Step 1. Hmm, let me think.\n\nStep 2. The sum is 7. Wait, is it?")
    assert edited == ("Step 2. The sum is 7.", Span(0, 21))


def test_a_text_without_self_talk_is_not_edited() -> None:
    assert without_self_talk("The sum is 7.") is None


def test_reordering_exchanges_neighbours_and_keeps_markers() -> None:
    edited = reordered("Step 1. She has 7.\nStep 2. He has 9.")
    assert edited == ("Step 1. He has 9.\nStep 2. She has 7.", Span(0, 37 - 1))


def test_reordered_steps_are_stranger_than_native_ones(samples: list[tuple[str, str]]) -> None:
    assert evaluate_harm(samples, 0.05)["steps_reordered"].auroc > 0.65


def test_reasoning_spans_leave_out_the_answer_line() -> None:
    assert [span.of("a = 1\nA: 1") for span in reasoning_spans("a = 1\nA: 1")] == ["a = 1"]
