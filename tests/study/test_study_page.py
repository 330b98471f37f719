"""The page of a study: every arm, every label, nothing from outside."""

import re
from pathlib import Path

import pytest
from made_study import CONTENT, finished

from services.embedded.study.page import page
from services.pipeline.study.table import markdown


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory):
    return finished(tmp_path_factory.mktemp("page"), reward="grader").report


@pytest.mark.parametrize("arm", [arm["name"] for arm in CONTENT["arms"]])
def test_every_arm_stands_in_table_and_legend(report, arm: str) -> None:
    found = page(report)
    assert f"<td>{arm}" in found
    assert re.search(rf'<li class="arm\d">{arm}', found)


def test_every_plot_calls_a_simulated_oracle_one(report) -> None:
    captions = re.findall(r"<figcaption>.*?</figcaption>", page(report))
    assert len(captions) == 11
    assert all("simulated oracle" in caption for caption in captions)


def test_the_markdown_table_calls_a_simulated_oracle_one(report) -> None:
    rows = [line for line in markdown(report).splitlines() if line.startswith("| oracle_refined")]
    assert "strong (simulated oracle)" in rows[0]


def test_the_page_addresses_nothing_outside_itself(report) -> None:
    assert not re.findall(r"https?://|//[a-z]+\.|@import|url\(|<script", page(report))


def test_a_text_of_the_report_is_escaped(report) -> None:
    assert "<b>sums" not in page({**report, "study": "<b>sums"})


def test_sentences_beside_the_paper_carry_their_interval(report) -> None:
    accuracies = [sentence for sentence in report["paper"] if sentence.startswith("SFT")]
    assert all(re.search(r"[+-]\d\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\]", one) for one in accuracies)


def test_a_report_without_rewards_says_so(tmp_path: Path) -> None:
    assert "no reward model was asked" in page(finished(tmp_path).report)
