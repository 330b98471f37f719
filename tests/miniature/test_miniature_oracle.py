"""The simulated oracle keeps what is right, writes the rest anew, and says what it can't read."""

import pytest

from services.embedded.miniature.checking import check
from services.embedded.miniature.expressions import EXPRESSIONS, lines, solution
from services.embedded.miniature.oracle import MiniatureOracle, respelled
from services.embedded.miniature.problems import parse
from shared.domain import Correctness, Problem, Trajectory, Verdict
from shared.errors import FieldError
from shared.ports import ArmWriter

TEXT = "Mia has 30 apples. Mia buys 12 more. Mia loses 5. How many apples does Mia have now?"
STRUCTURE = parse(TEXT)
RIGHT = (
    "First, Mia buys 12 more, so I get 30 + 12 = 42.\n"
    "Then, Mia loses 5, so I get 42 - 5 = 37.\nSo there are \\boxed{37} apples."
)
WRONG = Verdict(Correctness.INCORRECT)
CASES = {
    "sum": (0, RIGHT.replace("42.", "43.").replace("42 -", "43 -").replace("37", "38")),
    "difference": (1, RIGHT.replace("= 37.", "= 36.").replace("{37}", "{36}")),
    "answer": (2, RIGHT.replace("{37}", "{73}")),
    "number of another state": (1, RIGHT.replace("42 - 5 = 37", "41 - 5 = 36").replace("{37}", "{36}")),
    "other operation": (1, RIGHT.replace("42 - 5 = 37", "42 + 5 = 47").replace("{37}", "{47}")),
    "step left out": (1, "\n".join(RIGHT.split("\n")[:1]) + "\nSo there are \\boxed{42} apples."),
    "step too many": (2, RIGHT.replace("\nSo", "\nThen, Mia wins 2, so I get 37 + 2 = 39.\nSo")),
    "no answer": (2, RIGHT.rpartition("\n")[0]),
    "text behind the answer": (3, RIGHT + "\nNext, Mia wins 2, so I get 37 + 2 = 39."),
}


def solved(text: str) -> Trajectory:
    return Trajectory("a", 0, Problem(TEXT, "37"), text, ())


def test_it_is_an_arm_writer() -> None:
    assert isinstance(MiniatureOracle(), ArmWriter)


def test_it_says_that_it_is_a_simulation() -> None:
    assert MiniatureOracle().simulated


@pytest.mark.parametrize("case", CASES)
def test_the_first_wrong_line_is_found(case: str) -> None:
    right, text = CASES[case]
    found = check(STRUCTURE, text)
    assert found is not None
    assert (found.right, found.complete) == (right, False)


@pytest.mark.parametrize("case", CASES)
def test_what_is_right_is_kept_to_the_letter(case: str) -> None:
    right, text = CASES[case]
    refined = MiniatureOracle().refined(solved(text), WRONG, 1) or ""
    assert refined.split("\n")[:right] == text.split("\n")[:right]


@pytest.mark.parametrize("words", EXPRESSIONS)
@pytest.mark.parametrize("case", CASES)
def test_a_refined_solution_is_right(case: str, words: str) -> None:
    refined = MiniatureOracle(words).refined(solved(CASES[case][1]), WRONG, 1) or ""
    checked = check(STRUCTURE, refined)
    assert checked is not None
    assert checked.complete


@pytest.mark.parametrize("case", CASES)
def test_an_aligned_solution_is_written_in_native_words_alone(case: str) -> None:
    right, text = CASES[case]
    aligned = MiniatureOracle("numbered").aligned(solved(text), WRONG, 1) or ""
    assert aligned.split("\n")[right:] == list(lines(STRUCTURE, "native", 1))[right:]


def test_a_right_solution_comes_back_as_it_is() -> None:
    assert MiniatureOracle().refined(solved(RIGHT), Verdict(Correctness.CORRECT), 1) == RIGHT


def test_swapped_operands_of_a_sum_are_right() -> None:
    found = check(STRUCTURE, RIGHT.replace("30 + 12", "12 + 30"))
    assert found is not None
    assert found.complete


def test_swapped_operands_of_a_difference_are_wrong() -> None:
    found = check(STRUCTURE, RIGHT.replace("42 - 5", "5 - 42"))
    assert found is not None
    assert found.right == 1


@pytest.mark.parametrize("line", ["Mia is tired.", "30 + 12 = 42 and 42 - 5 = 37", "30 + 12 = ?", ""])
def test_a_line_that_cannot_be_read_is_no_line_to_repair(line: str) -> None:
    assert MiniatureOracle().refined(solved(f"{line}\n{RIGHT}"), WRONG, 1) is None


def test_what_stands_behind_the_first_wrong_line_need_not_be_readable() -> None:
    text = RIGHT.replace("= 42.", "= 43.").replace("So there", "Nobody knows")
    assert MiniatureOracle().aligned(solved(text), WRONG, 1) == solution(STRUCTURE, "native", 1)


def test_a_problem_of_somebody_else_is_not_solved() -> None:
    assert MiniatureOracle().synthesized(Problem("What is 6 times 7?"), 1) is None


def test_a_synthesized_solution_is_whole_in_its_words() -> None:
    assert MiniatureOracle("typeset").synthesized(Problem(TEXT), 4) == solution(STRUCTURE, "typeset", 4)


def test_a_share_of_nothing_changes_nothing() -> None:
    assert respelled(TEXT, RIGHT, 0.0, 1) == RIGHT


def test_a_share_of_one_changes_every_line() -> None:
    assert respelled(TEXT, RIGHT, 1.0, 1) == solution(STRUCTURE, "formal", 1)


def test_a_larger_share_swaps_the_lines_of_a_smaller_and_more() -> None:
    native = set(RIGHT.split("\n"))
    kept = [set(respelled(TEXT, RIGHT, share, 3).split("\n")) & native for share in (0.2, 0.5, 0.8)]
    assert kept[0] >= kept[1] >= kept[2]


def test_about_that_share_of_the_lines_is_swapped() -> None:
    texts = [respelled(TEXT, RIGHT, 0.25, seed) for seed in range(400)]
    swapped = sum(line not in RIGHT for text in texts for line in text.split("\n"))
    assert 0.2 < swapped / 1200 < 0.3


def test_wrong_lines_are_left_as_they_are() -> None:
    wrong = RIGHT.replace("= 37.", "= 36.")
    assert respelled(TEXT, wrong, 1.0, 1).split("\n")[1:] == wrong.split("\n")[1:]


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(FieldError):
        respelled(TEXT, RIGHT, 1.5, 1)


def test_words_that_are_not_there_are_refused() -> None:
    with pytest.raises(FieldError):
        MiniatureOracle("poetic")
