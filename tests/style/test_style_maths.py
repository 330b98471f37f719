"""The figures of the ledger, one claim a test."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain import NativeBand, ScorerInfo, Span, Step, TokenScores
from shared.style import (
    CorpusComparison,
    CorpusStyle,
    Side,
    TokenTable,
    conformal_threshold,
    cost,
    edit_cost,
    edit_drift,
    excess,
    fit_band,
    ledger,
    loss,
    perplexity,
    quarter_bounds,
    quarter_losses,
    rank_surprisal_ratio,
    step_styles,
    tokens_in,
)
from shared.style.tokens import CAPACITY

INFO = ScorerInfo("made:up", "proxy", "0" * 64)
FLAT = NativeBand((1.0, 1.0, 1.0, 1.0))
EMPTY = TokenScores((), (), ())


def scores(*surprisals: float, width: int = 2, rank: int = 1) -> TokenScores:
    """Tokens of equal width in a row."""
    spans = tuple(Span(width * i, width * (i + 1)) for i in range(len(surprisals)))
    return TokenScores(spans, surprisals, (rank,) * len(surprisals))


@pytest.mark.parametrize("tokens", [0, 1, 2, 3])
def test_fewer_than_four_tokens_have_no_quarters(tokens: int) -> None:
    assert quarter_bounds(tokens) == ()


@given(st.integers(4, 5000))
@settings(deadline=None)
def test_quarters_are_contiguous_and_differ_by_at_most_one(tokens: int) -> None:
    bounds = quarter_bounds(tokens)
    sizes = [end - start for start, end in bounds]
    assert [start for start, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == tokens
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(4, 3000))
@settings(deadline=None)
def test_the_band_is_read_at_the_same_quarters(tokens: int) -> None:
    band = NativeBand((0.0, 1.0, 2.0, 3.0))
    by_bounds = [q for q, (start, end) in enumerate(quarter_bounds(tokens)) for _ in range(start, end)]
    assert [band.at(i, tokens) for i in range(tokens)] == by_bounds


def test_perplexity_is_the_exponential_of_the_mean() -> None:
    assert perplexity(2 * math.log(7), 2) == pytest.approx(7)


def test_perplexity_without_tokens_is_nan() -> None:
    assert math.isnan(perplexity(0.0, 0))


def test_perplexity_beyond_floats_is_infinite() -> None:
    assert perplexity(1e6, 1) == math.inf


@given(st.lists(st.floats(0, 50), min_size=4, max_size=60))
@settings(deadline=None)
def test_quarters_add_up_to_the_whole(surprisals: list[float]) -> None:
    parts = quarter_losses(surprisals)
    whole = loss(surprisals)
    assert sum(part.tokens for part in parts) == whole.tokens
    assert sum(part.nll for part in parts) == pytest.approx(whole.nll)


def test_the_rank_surprisal_ratio_caps_ranks_at_a_hundred() -> None:
    one = TokenScores((Span(0, 1), Span(1, 2)), (2.0, 3.0), (7, 5000))
    assert rank_surprisal_ratio(one) == pytest.approx(107 / 5)


def test_the_rank_surprisal_ratio_of_a_certain_text_is_nan() -> None:
    assert math.isnan(rank_surprisal_ratio(scores(0.0, 0.0)))


def test_the_rank_surprisal_ratio_of_unknown_ranks_is_nan() -> None:
    assert math.isnan(rank_surprisal_ratio(TokenScores((Span(0, 1), Span(1, 2)), (2.0, 3.0), (7, 0))))


def test_a_file_with_an_unknown_rank_has_no_ratio() -> None:
    style = CorpusStyle()
    style.add(scores(1.0, 2.0))
    style.add(scores(1.0, 2.0, rank=0))
    assert math.isnan(style.rsr)


def test_a_ledger_says_that_ranks_are_unknown() -> None:
    made = ledger("s@1", INFO, EMPTY, scores(1.0, 2.0, 1.0, 2.0, rank=0), (), [], [], FLAT)
    assert (made.rsr, made.reason) == (None, "the scorer tells no ranks")


def test_the_band_is_the_95th_percentile_of_each_quarter() -> None:
    texts = [[float(i), 10.0 + i, 20.0, 30.0] for i in range(1, 21)]
    assert fit_band(texts).quarters == pytest.approx((19.0, 29.0, 20.0, 30.0), abs=2e-3)


def test_a_quarter_nobody_has_gets_an_infinite_band() -> None:
    assert fit_band([[1.0, 2.0]]).quarters == (math.inf,) * 4


def test_only_what_exceeds_the_band_costs() -> None:
    assert excess([0.5, 3.0, 1.0, 1.5], FLAT) == [0.0, 2.0, 0.0, 0.5]


def test_cost_is_spread_over_the_native_tokens() -> None:
    assert cost(scores(0.5, 3.0, 1.0, 1.5), 5, FLAT) == pytest.approx(0.5)


def test_cost_against_an_empty_native_text_is_nan() -> None:
    assert math.isnan(cost(scores(2.0), 0, FLAT))


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([Span(0, 1)], [0]),
        ([Span(1, 2)], []),
        ([Span(2, 6)], [1, 2]),
        ([Span(0, 2), Span(4, 5)], [0, 2]),
        ([Span(3, 3)], []),
    ],
)
def test_a_token_belongs_to_what_holds_its_first_character(spans: list[Span], expected: list[int]) -> None:
    assert tokens_in(scores(1, 1, 1), spans) == expected


def test_edit_cost_is_a_mean_over_the_edited_tokens_alone() -> None:
    assert edit_cost(scores(9.0, 3.0, 1.0, 9.0), [Span(2, 6)], FLAT) == pytest.approx(1.0)


def test_edit_drift_compares_the_edited_spans_alone() -> None:
    native, refined = scores(1.0, 2.0, 9.0), scores(1.0, 5.0, 9.0)
    assert edit_drift(native, refined, [Span(2, 4)], [Span(2, 4)]) == pytest.approx(3.0)


def test_edit_drift_of_a_pure_deletion_is_nan() -> None:
    assert math.isnan(edit_drift(scores(1.0, 2.0), scores(1.0), [Span(2, 4)], [Span(2, 2)]))


def test_a_token_that_begins_in_the_joiner_belongs_to_no_step() -> None:
    steps = (Step(0, Span(0, 2), "ab"), Step(1, Span(4, 8), "cdef"))
    found = step_styles(scores(1.0, 2.0, 3.0, 4.0), steps)
    assert [(step.nll, step.tokens) for step in found] == [(1.0, 1), (7.0, 2)]


def test_a_ledger_without_edits_has_no_drift_and_no_edit_figures() -> None:
    one = scores(1.0, 2.0, 3.0, 4.0)
    made = ledger("s@1", INFO, one, one, (), [], [], FLAT)
    assert (made.drift, made.edit_drift, made.edit_cost, made.reason) == (0.0, None, None, None)


def test_a_ledger_holds_the_figures_of_the_refined_text() -> None:
    native, refined = scores(1.0, 1.0, 1.0, 1.0), scores(1.0, 3.0, 1.0, 1.0, rank=4)
    made = ledger("s@1", INFO, native, refined, (), [Span(2, 4)], [Span(2, 4)], FLAT)
    assert (made.nll, made.tokens, made.drift, made.edit_drift, made.edit_cost) == (6.0, 4, 0.5, 2.0, 2.0)
    assert made.ppl == pytest.approx(math.exp(1.5))
    assert made.rsr == pytest.approx(16 / 6)


@pytest.mark.parametrize(
    ("native", "refined", "word"),
    [
        (scores(1.0), EMPTY, "refined text has no tokens"),
        (EMPTY, scores(1.0), "native text has no tokens"),
        (scores(1.0), scores(1.0), "quarters"),
    ],
)
def test_a_missing_figure_has_a_reason(native: TokenScores, refined: TokenScores, word: str) -> None:
    made = ledger("s@1", INFO, native, refined, (), [Span(0, 2)], [Span(0, 2)], FLAT)
    assert word in (made.reason or "")


def test_no_nan_leaves_a_ledger() -> None:
    made = ledger("s@1", INFO, EMPTY, EMPTY, (), [], [], FLAT)
    assert (made.ppl, made.rsr, made.drift, made.quarters) == (None, None, 0.0, (None,) * 4)


def test_corpus_perplexity_weighs_by_tokens() -> None:
    corpus = CorpusStyle()
    corpus.add(scores(1.0))
    corpus.add(scores(2.0, 2.0, 2.0))
    assert corpus.perplexity == pytest.approx(math.exp(7 / 4))


@pytest.mark.parametrize(
    ("n", "alpha", "rank"), [(19, 0.05, 19), (20, 0.05, 20), (39, 0.05, 38), (99, 0.1, 90)]
)
def test_the_threshold_has_the_conformal_rank(n: int, alpha: float, rank: int) -> None:
    assert conformal_threshold([float(i) for i in range(n, 0, -1)], alpha) == rank


def test_too_few_statistics_give_an_infinite_threshold() -> None:
    assert conformal_threshold([1.0] * 18, 0.05) == math.inf


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0])
def test_an_alpha_outside_the_unit_interval_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        conformal_threshold([1.0], alpha)


@given(st.lists(st.floats(-5, 5), min_size=19, max_size=200), st.sampled_from([0.05, 0.1, 0.2]))
@settings(deadline=None)
def test_at_most_alpha_of_the_calibration_set_exceeds_its_threshold(
    values: list[float], alpha: float
) -> None:
    threshold = conformal_threshold(values, alpha)
    assert sum(value > threshold for value in values) <= alpha * (len(values) + 1)


def test_the_token_that_carries_most_loss_in_the_first_quarter_leads() -> None:
    table = TokenTable()
    one = scores(5.0, 1.0, 1.0, 9.0)
    table.add(one, "To ab cd", one, "To ab cd")
    assert [(row.token, row.nll) for row in table.opening_losses()] == [("To", 5.0)]


def test_a_token_that_only_the_refined_text_has_shifts_most() -> None:
    table = TokenTable()
    table.add(scores(1.0, 1.0), "abcd", scores(1.0, 1.0), "ab\\(")
    assert {shift.token: shift.change for shift in table.shifts()} == {"cd": -0.5, "\\(": 0.5, "ab": 0.0}


def test_the_first_quarter_is_kept_apart_by_side() -> None:
    table = TokenTable()
    table.add(scores(5.0, 1.0, 1.0, 1.0), "Toabcdef", scores(2.0, 1.0, 1.0, 1.0), "Weabcdef")
    sides: tuple[Side, Side] = ("native", "refined")
    assert [(row.token, row.nll) for side in sides for row in table.opening_losses(1, side)] == [
        ("To", 5.0),
        ("We", 2.0),
    ]


def test_a_shift_counts_the_token_on_either_side() -> None:
    table = TokenTable()
    table.add(scores(1.0, 1.0), "abcd", scores(1.0, 1.0, 1.0), "ababab")
    counts = {shift.token: (shift.native_count, shift.refined_count) for shift in table.shifts()}
    assert counts == {"ab": (1, 3), "cd": (1, 0)}


def test_the_table_of_tokens_forgets_the_rarest_beyond_its_capacity() -> None:
    table = TokenTable()
    often = scores(*[1.0] * 8)
    table.add(often, "ab" * 8, often, "ab" * 8)
    text = "".join(map(chr, range(0x10000, 0x10000 + 5 * CAPACITY)))
    rare = TokenScores(
        tuple(Span(at, at + 1) for at in range(len(text))), (1.0,) * len(text), (1,) * len(text)
    )
    table.add(rare, text, rare, text)
    shifts = table.shifts(10 * CAPACITY)
    assert len(shifts) <= 2 * CAPACITY
    assert next(shift.refined_count for shift in shifts if shift.token == "ab") == 8


def test_a_file_costs_its_excess_a_native_token() -> None:
    compared = CorpusComparison()
    compared.add(scores(1.0, 1.0), "abcd", scores(3.0, 1.0, 1.5, 1.0), "abababab", FLAT)
    compared.add(scores(1.0, 3.0), "abcd", scores(1.0), "ab", FLAT)
    assert compared.cost == pytest.approx(2.5 / 4)
    assert compared.drift == pytest.approx(7.5 / 5 - 6.0 / 4)
