"""What the engine does when the endpoint misbehaves; every answer comes over real HTTP."""

import re
from pathlib import Path

import pytest
from endpoint_asking import PROMPT, quick, samples, with_engine
from faulty_endpoint import Faulty, Hang, Raw, Refusal, Streamed, served

from shared.domain.model import Message, Prompt
from shared.errors import BusyError, FieldError, UnavailableError, UnsupportedError

RETRIED = [
    Refusal(500),
    Refusal(503),
    Refusal(408),
    Refusal(429, headers={"retry-after-ms": "2"}),
    Refusal(429, headers={"Retry-After": "0"}),
    Streamed(("4",), reason=None, usage=None),
    Streamed(("4",), reason=None, usage=None, error="engine died"),
    Raw(b"<html>hello</html>", "text/html"),
    Raw(b"data: {not json\n\n", "text/event-stream"),
    Raw(b"data: 5\n\n", "text/event-stream"),
]


@pytest.mark.parametrize("fault", RETRIED, ids=repr)
def test_what_may_pass_is_asked_again(faulty: Faulty, fault: Refusal | Streamed | Raw) -> None:
    faulty.script = [fault]
    assert [sample.text for sample in with_engine(quick(faulty.url), samples)] == ["42"]


def test_a_request_that_hangs_is_asked_again(faulty: Faulty) -> None:
    faulty.script = [Hang()]
    assert [s.text for s in with_engine(quick(faulty.url, timeout=0.3), samples)] == ["42"]


def test_what_never_passes_is_given_up_after_the_retries(faulty: Faulty) -> None:
    faulty.after = Refusal(500, "no luck")
    with pytest.raises(UnavailableError, match=r"failed 3 times.*no luck"):
        with_engine(quick(faulty.url, max_retries=2), samples)


def test_a_server_that_asks_for_too_long_a_wait_is_given_up_at_once(faulty: Faulty) -> None:
    faulty.after = Refusal(429, headers={"Retry-After": "3600"})
    with pytest.raises(BusyError, match=r"429.*try again in 3600 s"):
        with_engine(quick(faulty.url), samples)
    assert len(faulty.bodies) == 1


def test_an_empty_purse_is_not_asked_again(faulty: Faulty) -> None:
    faulty.after = Refusal(429, code="insufficient_quota")
    with pytest.raises(UnavailableError, match="quota"):
        with_engine(quick(faulty.url), samples)
    assert len(faulty.bodies) == 1


def test_a_prompt_beyond_the_context_names_the_messages(faulty: Faulty) -> None:
    faulty.after = Refusal(400, "This model's maximum context length is 512 tokens.")
    with pytest.raises(FieldError, match="messages: doesn't fit"):
        with_engine(quick(faulty.url), samples)


def test_another_bad_request_names_its_field(faulty: Faulty) -> None:
    faulty.after = Refusal(400, "at most 4 strings", param="stop")
    with pytest.raises(FieldError, match=r"stop: was refused.*at most 4 strings"):
        with_engine(quick(faulty.url), samples)


def test_a_model_that_is_missing_is_answered_with_those_that_exist(faulty: Faulty) -> None:
    faulty.after = Refusal(404, "no such model")
    with pytest.raises(UnavailableError, match="no model 'lost'; it serves m, other"):
        with_engine(quick(faulty.url, model="lost"), samples)


def test_a_path_that_is_missing_is_told_apart_from_a_model(faulty: Faulty) -> None:
    faulty.after = Refusal(404, "not found")
    with pytest.raises(UnavailableError, match=r"no such function.*check base_url"):
        with_engine(quick(faulty.url), samples)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_by_its_source_only(faulty: Faulty, tmp_path: Path, status: int) -> None:
    (tmp_path / "key").write_text("sk-secret\n")
    faulty.after = Refusal(status, "Incorrect API key: sk-secret")
    with pytest.raises(UnavailableError, match=rf"refuses the key in file .*key \({status}\)$") as caught:
        with_engine(quick(faulty.url, api_key_file=tmp_path / "key"), samples)
    assert "sk-secret" not in str(caught.value)


def test_a_wanted_key_is_asked_for(faulty: Faulty) -> None:
    faulty.after = Refusal(401)
    with pytest.raises(UnavailableError, match="wants a key"):
        with_engine(quick(faulty.url), samples)


def test_nobody_there_is_an_unavailable_engine(faulty: Faulty) -> None:
    with served(Faulty()) as gone:
        settings = quick(gone.url, max_retries=1)
    with pytest.raises(UnavailableError, match="failed 2 times"):
        with_engine(settings, samples)


@pytest.mark.parametrize("models", [Refusal(404), Refusal(500), Raw(b"[]"), Raw(b"garbage")], ids=repr)
def test_an_endpoint_without_a_list_of_models_serves_all_the_same(
    faulty: Faulty, models: Refusal | Raw
) -> None:
    faulty.models = models
    assert len(with_engine(quick(faulty.url), samples)) == 1


def test_a_prefix_is_refused_where_a_chat_cannot_go_on_from_it(faulty: Faulty) -> None:
    prompt = Prompt((Message("user", "3 + 4?"),), prefix="It is ")
    with pytest.raises(FieldError, match="prefix: can't be given"):
        with_engine(quick(faulty.url), lambda engine: samples(engine, prompt))
    assert faulty.bodies == []


@pytest.mark.parametrize("field", ["messages[0].content", "stop"])
def test_a_lone_surrogate_is_refused(faulty: Faulty, field: str) -> None:
    said = {"messages[0].content": "3 + 4?", "stop": "END", field: "a\ud800"}
    prompt = Prompt((Message("user", said["messages[0].content"]),))
    with pytest.raises(FieldError, match=re.escape(field)):
        with_engine(quick(faulty.url), lambda engine: samples(engine, prompt, stop=(said["stop"],)))


def test_scores_are_refused_with_the_reason(faulty: Faulty) -> None:
    with pytest.raises(UnsupportedError, match="no log-probs: no tokenizer"):
        with_engine(quick(faulty.url), lambda engine: engine.score(PROMPT, "7"))


def test_a_stop_string_that_the_server_left_is_cut_off(faulty: Faulty) -> None:
    faulty.after = Streamed(("so 4", "2. ", "END"), reason="length")
    found = with_engine(quick(faulty.url), lambda engine: samples(engine, stop=("END", ". ")))
    assert [(sample.text, sample.finished) for sample in found] == [("so 42", True)]


def test_an_answer_without_usage_counts_its_pieces(faulty: Faulty) -> None:
    faulty.after = Streamed(("a", "b", "c"), usage=None)
    assert [sample.tokens for sample in with_engine(quick(faulty.url), samples)] == [3]
