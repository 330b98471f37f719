"""The contract of a scorer, for every engine."""

import math

import pytest

from services.inference.checkpoint import Checkpoint
from services.student.engines.transformers import TransformersScorer
from services.student.profile import FittedStudent
from shared.errors import FieldError
from shared.ports import Scorer, ScoreRequest

PROBLEM = "Tom has 3 apples and buys 4 more. How many does he have?"
TEXTS = [
    "Tom has 3 + 4 = 7 apples.\nA: 7",
    "Hi 😀 漢字 é e\u0301 👩‍👩‍👧 \u0928\u092e\u0938\u094d\u0924\u0947",
    " \n\n  x=3<|im_end|>  done\t",
    "x",
]


@pytest.fixture(params=["proxy", "transformers"], scope="module")
def scorer(request: pytest.FixtureRequest) -> Scorer:
    """Every engine in turn."""
    if request.param == "proxy":
        student: FittedStudent = request.getfixturevalue("student")
        return student.scorer
    return TransformersScorer(request.getfixturevalue("smollm"))


def test_an_engine_is_a_scorer(scorer: Scorer) -> None:
    assert isinstance(scorer, Scorer)


def test_the_label_says_with_what_right_it_speaks(scorer: Scorer) -> None:
    assert (
        scorer.info.label == {"proxy": "proxy", "transformers": "surrogate"}[scorer.info.name.split(":")[0]]
    )


def test_an_empty_text_has_no_tokens(scorer: Scorer) -> None:
    assert scorer.score([ScoreRequest(PROBLEM, "")])[0].spans == ()


def test_no_requests_have_no_results(scorer: Scorer) -> None:
    assert scorer.score([]) == []


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_leave_no_character_out(scorer: Scorer, text: str) -> None:
    spans = scorer.score([ScoreRequest(PROBLEM, text)])[0].spans
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert covered == set(range(len(text)))


@pytest.mark.parametrize("text", TEXTS)
def test_spans_ascend_and_hold_a_character(scorer: Scorer, text: str) -> None:
    spans = scorer.score([ScoreRequest(PROBLEM, text)])[0].spans
    assert list(spans) == sorted(spans, key=lambda span: span.start)
    assert all(len(span) > 0 for span in spans)


@pytest.mark.parametrize("text", TEXTS)
def test_surprisals_and_ranks_are_in_range(scorer: Scorer, text: str) -> None:
    scores = scorer.score([ScoreRequest(PROBLEM, text)])[0]
    assert len(scores.spans) == len(scores.surprisals) == len(scores.ranks)
    assert all(value >= 0 and math.isfinite(value) for value in scores.surprisals)
    assert all(rank >= 1 for rank in scores.ranks)


def test_scores_do_not_depend_on_the_batch(scorer: Scorer) -> None:
    requests = [ScoreRequest(PROBLEM, text) for text in TEXTS]
    together = scorer.score(requests)
    alone = [scorer.score([request])[0] for request in requests]
    for one, other in zip(together, alone, strict=True):
        assert one.surprisals == pytest.approx(other.surprisals, abs=1e-4)


def test_results_stand_in_the_order_of_the_requests(scorer: Scorer) -> None:
    lengths = [scores.spans[-1].end for scores in scorer.score([ScoreRequest(PROBLEM, t) for t in TEXTS])]
    assert lengths == [len(text) for text in TEXTS]


def test_the_end_of_sequence_is_not_scored(smollm: Checkpoint) -> None:
    scores = TransformersScorer(smollm).score([ScoreRequest(PROBLEM, "x")])[0]
    assert len(scores.spans) == 1


def test_ids_of_a_text_decode_to_the_text(smollm: Checkpoint) -> None:
    ids, _ = smollm.encode(TEXTS[1])
    assert smollm.decode(ids) == TEXTS[1]


def test_chunked_scores_equal_those_of_the_whole_model(smollm: Checkpoint) -> None:
    import torch

    text = TEXTS[0]
    prompt, (ids, _) = smollm.prompt(PROBLEM), smollm.encode(text)
    with torch.inference_mode():
        logits = smollm.model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
    expected = -logits.log_softmax(1).gather(1, torch.tensor(ids)[:, None])[:, 0]
    scores = TransformersScorer(smollm).score([ScoreRequest(PROBLEM, text)])[0]
    assert scores.surprisals == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_text_longer_than_the_context_is_refused(smollm: Checkpoint) -> None:
    with pytest.raises(FieldError, match="text"):
        TransformersScorer(smollm).score([ScoreRequest(PROBLEM, "12 " * 9000)])


def test_a_lone_surrogate_is_refused(smollm: Checkpoint) -> None:
    with pytest.raises(FieldError, match="surrogate"):
        TransformersScorer(smollm).score([ScoreRequest(PROBLEM, "a\ud800")])
