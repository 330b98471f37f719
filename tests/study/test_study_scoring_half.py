"""A study without losses: arms and scores with intervals over problems, no training."""

import json
from math import exp
from pathlib import Path
from typing import Any

import pytest
from made_study import SCORED, Counted, made_course

from services.embedded.study.page import page
from services.embedded.study.rates import config_for_rates
from services.pipeline.study.analysis.spread import Spreads
from services.pipeline.study.course import Finished
from services.pipeline.study.table import markdown
from shared.errors import FieldError
from shared.study.config import to_config

ARMS = [
    {"name": "native"},
    {"name": "style_aligned", "oracle": "strong"},
    {"name": "textbook", "maker": "given", "field": "textbook"},
]
CELL = Path("cells", "student1.draw1")


def scored(folder: Path, workers: Counted | None = None, **changed: Any) -> Finished:
    """The study of sums, up to its scores."""
    config = to_config({**SCORED, "arms": ARMS, **changed})
    with made_course(folder, config, workers or Counted()) as course:
        return course.run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished one whose native arm keeps any sample."""
    place = tmp_path_factory.mktemp("scored")
    scored(place, native="any", source="native", count=20)
    return place


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def items(folder: Path, arm: str) -> list[dict[str, Any]]:
    lines = (folder / CELL / "arms" / f"{arm}.jsonl").read_text().splitlines()[1:]
    return [json.loads(line) for line in lines]


def test_nothing_is_trained_and_nobody_is_asked_a_held_out_problem(tmp_path: Path) -> None:
    workers = Counted()
    scored(tmp_path, workers)
    assert set(workers.done) == {"sample", "band", "scores"}


def test_a_finished_one_is_gone_on_with_for_nothing(tmp_path: Path) -> None:
    first = scored(tmp_path)
    again = Counted()
    assert scored(tmp_path, again).report == first.report
    assert not again.done


def test_a_given_arm_holds_the_texts_that_were_given(folder: Path) -> None:
    assert all(item["text"].startswith("Hence we obtain") for item in items(folder, "textbook"))


def test_problems_without_a_given_text_are_in_no_arm(folder: Path) -> None:
    odd = {f"1-{place}" for place in range(1, 20, 2)}
    assert {item["problem"] for item in items(folder, "native")} == odd


def test_given_texts_are_held_only_where_their_answer_is_right(folder: Path) -> None:
    assert all(item["right"] for item in items(folder, "textbook"))


def test_native_keeps_wrong_texts_where_any_sample_may_be_native(folder: Path) -> None:
    assert not all(item["right"] for item in items(folder, "native"))


def test_the_report_says_which_sample_is_native(report: dict[str, Any]) -> None:
    assert "right or wrong" in markdown(report)


def test_every_figure_of_an_arm_stands_in_its_interval(report: dict[str, Any]) -> None:
    figures = report["texts"]["figures"]["textbook"]
    assert set(figures) == {"ppl", "q1", "q2", "q3", "q4", "rsr", "tokens"}
    assert all(one["low"] <= one["mean"] <= one["high"] for one in figures.values())


def test_the_perplexity_with_an_interval_is_that_of_the_table(report: dict[str, Any]) -> None:
    arms = {arm["name"]: arm["ppl"] for arm in report["arms"]}
    assert {arm: told["ppl"]["mean"] for arm, told in report["texts"]["figures"].items()} == arms


def test_each_two_arms_are_compared_once(report: dict[str, Any]) -> None:
    pairs = ["style_aligned - native", "textbook - native", "textbook - style_aligned"]
    assert list(report["texts"]["differences"]) == pairs


def test_samples_are_counted_whatever_became_of_them(report: dict[str, Any]) -> None:
    assert report["samples"]["made"] == 20 * 4
    assert 0 < report["samples"]["right"] < report["samples"]["ended"]


def test_the_page_shows_the_intervals_and_no_accuracy(report: dict[str, Any]) -> None:
    found = page(report)
    assert "With 95 % intervals over problems" in found
    assert "Beside the paper" not in found


def test_there_is_no_rate_to_choose() -> None:
    with pytest.raises(FieldError, match="no rate to choose"):
        config_for_rates(to_config({**SCORED, "arms": ARMS}), (1e-3,))


def text(nll: float, tokens: int) -> dict[str, Any]:
    """The sums over a text whose quarters are alike."""
    quarters = [[nll / 4, tokens / 4]] * 4
    return {"nll": nll, "tokens": tokens, "ranks": 2 * nll, "quarters": quarters}


def test_perplexity_is_weighted_by_token() -> None:
    found = Spreads({"native": [text(8.0, 4), text(4.0, 8)]}).of("native")
    assert found["ppl"].mean == pytest.approx(exp(1.0))
    assert found["q2"].mean == pytest.approx(exp(1.0))


def test_a_difference_that_every_problem_shows_alike_has_no_spread() -> None:
    arms = {"native": [text(4.0, 4), text(12.0, 4)], "other": [text(8.0, 4), text(16.0, 4)]}
    found = Spreads(arms).difference("other", "native")["ppl"]
    assert (found.low, found.mean, found.high) == pytest.approx((1.0, 1.0, 1.0))
