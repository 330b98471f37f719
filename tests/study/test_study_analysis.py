"""Intervals, correlations and the weight of cost, on cases that can be worked out by hand."""

from math import inf, log, sqrt

import pytest

from services.pipeline.study.analysis.correlation import pearson, rank_correlation, ranks
from services.pipeline.study.analysis.draws import Draws, interval, mean_of
from services.pipeline.study.analysis.perplexities import log_ratio
from services.pipeline.study.analysis.weights import Worth, sweep
from shared.study.design import Design
from shared.style.perplexity import Loss


def test_the_mean_is_over_cells_seeds_and_problems() -> None:
    assert mean_of([[[1.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]]) == 0.5


def test_equal_runs_have_no_spread_but_that_of_problems() -> None:
    resampled = Draws(2, 1, times=400).means("arm", [[[1.0, 0.0], [1.0, 0.0]]])
    assert set(resampled) == {0.0, 0.5, 1.0}


def test_problems_without_spread_leave_the_spread_of_seeds() -> None:
    resampled = Draws(2, 1, times=400).means("arm", [[[1.0, 1.0], [0.0, 0.0]]])
    assert set(resampled) == {0.0, 0.5, 1.0}


def test_cells_are_drawn_whole() -> None:
    resampled = Draws(1, 2, times=400).means("arm", [[[1.0], [1.0]], [[0.0], [0.0]]])
    assert set(resampled) == {0.0, 0.5, 1.0}


def test_a_constant_difference_between_arms_is_certain() -> None:
    # The arms differ by .5 on every problem; problems are drawn jointly, so the difference never varies.
    draws = Draws(3, 1, times=200)
    better = draws.means("better", [[[1.0, 0.5, 0.75]]])
    worse = draws.means("worse", [[[0.5, 0.0, 0.25]]])
    assert {round(a - b, 9) for a, b in zip(better, worse, strict=True)} == {0.5}


def test_equal_arguments_give_equal_resamples() -> None:
    values = [[[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]]
    assert Draws(3, 1, times=50).means("a", values) == Draws(3, 1, times=50).means("a", values)


def test_an_interval_leaves_out_resamples_that_are_undefined() -> None:
    found = interval(0.5, [float("nan"), 0.4, 0.6], 3)
    assert (found.low, found.high) == (0.4, 0.6)


def test_pearson_of_three_points() -> None:
    # Deviations (-1, 0, 1) and (-1, 1, 0): product 1, squares 2 and 2.
    assert pearson([1, 2, 3], [1, 3, 2]) == pytest.approx(0.5)


def test_two_points_have_no_correlation() -> None:
    assert pearson([1, 2], [1, 2]) != pearson([1, 2], [1, 2])


def test_equal_values_share_their_rank() -> None:
    assert ranks([5, 3, 5, 1]) == [3.5, 2, 3.5, 1]


def test_spearman_sees_order_alone() -> None:
    assert rank_correlation([1, 2, 3], [1, 10, 100]) == pytest.approx(1.0)


def test_the_lambda_that_made_the_gains_is_found() -> None:
    worths = [Worth(1.0, 0.1), Worth(0.0, 0.0), Worth(1.0, 0.8), Worth(0.5, 0.3)]
    gains = [worth.utility(0.5) for worth in worths]
    found = sweep(worths, gains, [[gain] * 40 for gain in gains], (0.0, 0.5, 2.0))
    assert (found.best, found.low, found.high) == (0.5, 0.5, 0.5)


def test_gains_that_follow_cost_alone_ask_for_an_infinite_lambda() -> None:
    worths = [Worth(1.0, 0.1), Worth(0.0, 0.5), Worth(1.0, 0.8), Worth(0.0, 0.3)]
    gains = [-worth.cost for worth in worths]
    assert sweep(worths, gains, [[gain] * 40 for gain in gains], (0.0, 1.0)).best == inf


def test_perplexities_are_weighted_by_token() -> None:
    # 6 nats over 4 tokens against 2 nats over 4: one nat a token.
    found = log_ratio([Loss(5.0, 3), Loss(1.0, 1)], [Loss(1.0, 1), Loss(1.0, 3)])
    assert found.mean == pytest.approx(1.0)


def test_a_text_compared_with_itself_has_the_same_perplexity_for_certain() -> None:
    losses = [Loss(log(2), 1), Loss(3.0, 4)]
    found = log_ratio(losses, losses)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_smallest_detectable_difference_follows_its_formula() -> None:
    # .5 / (100 * 4 * 2) of sampling, 2 * .01 / 2 of training, .04 / 100 of problems.
    design = Design(accuracy=0.5, seed_sd=0.1, problem_sd=0.2)
    expected = (1.96 + 0.8416) * sqrt(0.000625 + 0.01 + 0.0004)
    assert design.detectable(problems=100, samples=4, seeds=2) == pytest.approx(expected)
