"""A study from its config to its report, on quick stand-ins: fixed problems, nothing made twice."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_study import CONTENT, Counted, finished

from shared.errors import DriftError, InputError

CELL = Path("cells", "student1.draw1")
LINES = 1  # of a piece, before its content


def lines(folder: Path, key: str) -> list[dict[str, Any]]:
    content = (folder / CELL / f"{key}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in content[LINES:]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study."""
    folder = tmp_path_factory.mktemp("whole")
    finished(folder)
    return folder


@pytest.mark.parametrize("arm", ["style_aligned", "oracle_refined", "reference", "unfiltered"])
def test_every_arm_holds_the_same_problems_in_the_same_order(whole: Path, arm: str) -> None:
    native = [line["problem"] for line in lines(whole, "arms/native")]
    assert [line["problem"] for line in lines(whole, f"arms/{arm}")] == native


def test_the_arm_of_repaired_problems_holds_further_ones_behind_the_shared(whole: Path) -> None:
    native = [line["problem"] for line in lines(whole, "arms/native")]
    found = lines(whole, "arms/native_plus_repaired")
    further = [line["problem"] for line in found if line["extra"]]
    assert [line["problem"] for line in found] == native + further
    assert len(further) >= 4
    assert set(further).isdisjoint(native)


def test_every_text_but_the_unfiltered_is_right(whole: Path) -> None:
    arms = ("native", "style_aligned", "oracle_refined", "reference", "native_plus_repaired")
    assert all(line["right"] for arm in arms for line in lines(whole, f"arms/{arm}"))


def test_the_unfiltered_arm_keeps_wrong_texts(whole: Path) -> None:
    assert not all(line["right"] for line in lines(whole, "arms/unfiltered"))


def test_an_arm_that_equals_native_is_marked_not_distinct(tmp_path: Path) -> None:
    # Under this rule the aligned arm gives right samples back as they are.
    report = finished(tmp_path, source="right").report
    distinct = {arm["name"]: arm["distinct"] for arm in report["arms"]}
    assert (distinct["style_aligned"], distinct["oracle_refined"]) == (False, True)


def test_perplexity_is_that_of_all_tokens_of_an_arm(whole: Path) -> None:
    report = json.loads((whole / "report.json").read_text())
    arms = {arm["name"]: arm for arm in report["arms"]}
    assert arms["native"]["ppl"] == pytest.approx(2.718282)


def test_the_summary_has_every_arm_and_loss(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    keys = {"arms", "aligned_minus_unaligned", "seeds", "problems", "truncation_max", "report"}
    assert set(summary) == keys
    assert set(summary["arms"]) == {arm["name"] for arm in CONTENT["arms"]}
    assert all({"ppl", "sft", "dft"} == set(arm) for arm in summary["arms"].values())


def test_every_arm_is_trained_with_every_loss_and_seed(tmp_path: Path) -> None:
    workers = Counted()
    finished(tmp_path, workers)
    assert workers.done["train"] == 6 * 2 * 3


def test_models_are_removed_once_they_are_evaluated(whole: Path) -> None:
    assert not (whole / "scratch" / CELL.name).exists()


def test_nothing_is_made_twice(tmp_path: Path) -> None:
    finished(tmp_path)
    again = Counted()
    finished(tmp_path, again)
    assert not again.done


@pytest.mark.parametrize("limit", [1, 3, 9, 30])
def test_a_study_that_was_interrupted_ends_with_the_same_report(
    whole: Path, tmp_path: Path, limit: int
) -> None:
    with pytest.raises(InterruptedError):
        finished(tmp_path, Counted(limit))
    finished(tmp_path)
    assert (tmp_path / "report.json").read_bytes() == (whole / "report.json").read_bytes()


def test_an_interrupted_study_does_the_rest_only(tmp_path: Path) -> None:
    first, whole, rest = Counted(20), Counted(), Counted()
    with pytest.raises(InterruptedError):
        finished(tmp_path / "cut", first)
    finished(tmp_path / "cut", rest)
    finished(tmp_path / "whole", whole)
    evaluations = whole.done["evaluate"] - first.done["evaluate"]
    assert rest.done["evaluate"] == evaluations


def test_no_piece_is_written_twice(tmp_path: Path) -> None:
    # After the ninth task a model is trained and not yet asked.
    with pytest.raises(InterruptedError):
        finished(tmp_path, Counted(9))
    pieces = {path: path.stat().st_mtime_ns for path in (tmp_path / CELL).rglob("*.jsonl")}
    finished(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in pieces} == pieces


def test_a_changed_config_is_refused_with_the_difference(tmp_path: Path) -> None:
    finished(tmp_path)
    with pytest.raises(DriftError, match="count: 12 -> 11"):
        finished(tmp_path, count=11)


def test_a_change_on_purpose_leaves_what_it_does_not_touch(tmp_path: Path) -> None:
    finished(tmp_path)
    workers = Counted()
    training = {**CONTENT["training"], "batch_size": 2}
    finished(tmp_path, workers, fresh=True, training=training)
    assert dict(workers.done) == {"train": 36, "evaluate": 36}


def test_further_seeds_leave_the_trainings_that_are_done(tmp_path: Path) -> None:
    finished(tmp_path)
    workers = Counted()
    finished(tmp_path, workers, fresh=True, seeds=[0, 1, 2, 3])
    assert workers.done["train"] == 12


def test_rewards_are_asked_where_a_reward_model_is_named(tmp_path: Path) -> None:
    report = finished(tmp_path, reward="grader").report
    rewards = {arm["name"]: arm["reward"] for arm in report["arms"]}
    assert rewards["oracle_refined"] > rewards["reference"]


def test_a_rule_that_no_problem_fits_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more problems or more samples"):
        finished(tmp_path, source="wrong", sampling={"samples": 1, "max_tokens": 50})


def test_guidance_solves_what_was_wrong_and_keeps_what_was_right(tmp_path: Path) -> None:
    arms = [{"name": "native"}, {"name": "guided", "samples": 1}]
    finished(tmp_path, arms=arms)
    assert all(line["right"] for line in lines(tmp_path, "arms/guided"))


def test_the_design_is_stated_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        finished(tmp_path, Counted(1))
    design = json.loads((tmp_path / "design.jsonl").read_text().splitlines()[LINES])
    assert design["detectable"] > 0
