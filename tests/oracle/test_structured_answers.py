"""What counts as an answer: one JSON object that the schema allows, and nothing else."""

import asyncio

import pytest
from canned import CannedModel

from services.oracle.structured import VoteSettings, ask, derived_seed, in_order, object_schema, read_answer
from shared.domain import Message, Prompt, Sampling
from shared.errors import FieldError

SCHEMA = object_schema(why={"type": "string"}, step={"type": "integer", "enum": [-1, 0, 1]})
QUESTION = Prompt((Message("user", "which?"),))


@pytest.mark.parametrize(
    "text",
    [
        '{"why": "a", "step": 1}',
        ' \n{"step": 1, "why": "a"}\n',
        '```json\n{"why": "a", "step": 1}\n```',
        '{"why": "a", "step": 1.0}',
        '<think>\n{"why": "b", "step": 0}?\n</think>\n\n{"why": "a", "step": 1}',
        'Hm.</think>```\n{"why": "a", "step": 1}\n```',
    ],
)
def test_an_object_that_the_schema_allows_is_read(text):
    assert read_answer(text, SCHEMA) == {"why": "a", "step": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "step 1",
        "[1]",
        '"step"',
        '{"why": "a"}',
        '{"why": "a", "step": 2}',
        '{"why": "a", "step": true}',
        '{"why": "a", "step": "1"}',
        '{"why": 3, "step": 1}',
        '{"why": "a", "step": 1, "more": 0}',
        '{"why": "a", "step": 0, "step": 1}',
        '{"why": "a", "step": NaN}',
        '{"why": "a", "step": 1} and so on',
        'The answer: {"why": "a", "step": 1}',
        '{"why": "\\ud800", "step": 1}',
        '{"why": "a", "step": ' + "9" * 5000 + "}",
        '{"why": ' * 100_000,
        "[" * 100_000,
        "```json\n```json\n{}\n```\n```",
        '<think>{"why": "a", "step": 1}',
        '{"why": "a", "step": 1}</think>',
    ],
)
def test_anything_else_is_unreadable(text):
    assert read_answer(text, SCHEMA) is None


def test_unreadable_votes_are_counted_apart():
    model = CannedModel(lambda _, index: '{"why": "a", "step": 1}' if index else "hm")
    votes = asyncio.run(ask(model, QUESTION, SCHEMA, VoteSettings(votes=3)))
    assert (len(votes.answers), votes.unreadable) == (2, 1)


def test_the_engine_is_given_the_schema():
    model = CannedModel(lambda *_: "")
    asyncio.run(ask(model, QUESTION, SCHEMA, VoteSettings()))
    assert model.asked[0][1].schema == SCHEMA


def test_votes_stand_in_the_order_of_their_samples_whatever_finishes_first():
    model = CannedModel(lambda _, index: f'{{"why": "{index}", "step": 0}}', order=[2, 0, 3, 1])
    votes = asyncio.run(ask(model, QUESTION, SCHEMA, VoteSettings(votes=4)))
    assert [answer["why"] for answer in votes.answers] == ["0", "1", "2", "3"]


def test_closing_the_ordered_samples_ends_the_generation():
    model = CannedModel(lambda *_: "x")

    async def one_of_eight():
        samples = in_order(model.sample(QUESTION, Sampling(n=8)))
        await anext(samples)
        await samples.aclose()

    asyncio.run(one_of_eight())
    assert (model.written, model.figures.running) == (1, 0)


def test_seeds_follow_from_seed_and_texts():
    seeds = {derived_seed(0, "a", "b"), derived_seed(1, "a", "b"), derived_seed(0, "ab")}
    assert len({seed for seed in seeds if 0 <= seed < 1 << 63}) == 3


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"votes": 0}, "votes"), ({"temperature": -1.0}, "temperature"), ({"temperature": 0.0}, "temperature")],
)
def test_votes_that_make_no_sense_are_refused(wrong, field):
    with pytest.raises(FieldError, match=field):
        VoteSettings(**wrong)
