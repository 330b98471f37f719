"""Semantic retention: the mean of the readable votes, with the words of the median one."""

import asyncio
import json

import pytest
from canned import CannedModel

from services.oracle.judge import RetentionJudge
from services.oracle.structured import VoteSettings
from shared.errors import FieldError


def vote(score, why="because"):
    return json.dumps({"rationale": why, "retention": score})


def judged(*answers):
    model = CannedModel(lambda _, index: answers[index])
    return asyncio.run(
        RetentionJudge(model, VoteSettings(votes=len(answers))).judge("p", "native", "refined")
    )


def test_the_score_is_the_mean_of_the_votes():
    assert judged(vote(5), vote(4), vote(4)).score == pytest.approx(13 / 3)


def test_the_rationale_is_that_of_the_median_vote():
    assert judged(vote(5, "high"), vote(1, "low"), vote(3, "middle")).rationale == "middle"


def test_of_two_middle_votes_the_lower_one_speaks():
    assert judged(vote(5, "five"), vote(2, "two")).rationale == "two"


@pytest.mark.parametrize("bad", [vote(0), vote(6), vote("5"), vote(4.5), vote(True), "5"])
def test_a_vote_off_the_scale_is_counted_apart(bad):
    said = judged(bad, vote(3))
    assert (said.score, said.votes, said.unreadable) == (3.0, (3,), 1)


def test_without_a_readable_vote_there_is_no_score_but_a_reason():
    said = judged("?", "!")
    assert (said.score, said.reason) == (None, "none of 2 votes could be read")


def test_both_texts_are_shown_between_tags():
    model = CannedModel(lambda *_: vote(5))
    asyncio.run(RetentionJudge(model).judge("p {native}", "one", "two"))
    shown = model.asked[0][0].messages[1].content
    assert [text in shown for text in (">\np {native}\n<", ">\none\n<", ">\ntwo\n<")] == [True, True, True]


def test_another_seed_asks_for_other_votes():
    model = CannedModel(lambda *_: vote(5))
    judge = RetentionJudge(model)
    for seed in (1, 1, 2):
        asyncio.run(judge.judge("p", "one", "two", seed))
    first, again, other = (sampling.seed for _, sampling in model.asked)
    assert (first == again, first == other) == (True, False)


@pytest.mark.parametrize(("native", "refined", "field"), [("", "x", "native"), ("x", " \n", "refined")])
def test_an_empty_text_is_refused(native, refined, field):
    with pytest.raises(FieldError, match=field):
        asyncio.run(RetentionJudge(CannedModel(lambda *_: "")).judge("p", native, refined))
