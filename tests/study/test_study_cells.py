"""Several draws, budgets and learning rates in one study."""

import pytest
from made_study import CONTENT, Counted, finished, made_config, made_course

from services.embedded.study.rates import RateChoice, chosen_rates, config_for_rates
from services.pipeline.study.results import Results

TWO_DRAWS = {"problems": {**CONTENT["problems"], "draws": [1, 2]}}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory):
    """A study of two draws and two budgets."""
    training = {**CONTENT["training"], "steps": [3, 2]}
    return finished(tmp_path_factory.mktemp("cells"), training=training, **TWO_DRAWS).report


def test_every_draw_is_a_cell(report) -> None:
    assert [cell["draw"] for cell in report["cells"]] == [1, 2]


def test_arms_count_the_texts_of_all_cells(report) -> None:
    assert report["arms"][0]["items"] == report["problems"]["shared"]


def test_every_budget_has_a_result(report) -> None:
    assert set(report["arms"][0]["results"]["sft"]) == {"3", "2"}


def test_accuracies_are_told_by_cell_and_seed(report) -> None:
    by_seed = report["arms"][0]["results"]["sft"]["3"]["by_seed"]
    assert [len(seeds) for seeds in by_seed] == [3, 3]


@pytest.fixture(scope="module")
def choice(tmp_path_factory: pytest.TempPathFactory) -> RateChoice:
    """Two rates tried on the study of sums."""
    config = config_for_rates(made_config(), (1e-3, 1e-2))
    with made_course(tmp_path_factory.mktemp("rates"), config, Counted()) as course:
        course.work()
        return chosen_rates(Results(config, course.cells))


def test_the_chosen_rate_has_the_best_mean_over_all_arms(choice: RateChoice) -> None:
    means = {float(rate): sum(arms.values()) for rate, arms in choice.accuracies["sft"].items()}
    assert choice.best["sft"] == max(means, key=lambda rate: means[rate])


def test_every_arm_is_tried_at_every_rate(choice: RateChoice) -> None:
    names = {arm["name"] for arm in CONTENT["arms"]}
    assert all(set(arms) == names for arms in choice.accuracies["dft"].values())


def test_rates_are_chosen_on_a_draw_and_a_seed_of_their_own() -> None:
    config, study = config_for_rates(made_config(), (1e-3,)), made_config()
    assert set(config.problems.draws).isdisjoint(study.problems.draws)
    assert set(config.seeds).isdisjoint(study.seeds)
