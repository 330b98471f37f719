"""What is refused before anything is sent, where the key comes from, and how long to wait."""

from email.utils import formatdate
from pathlib import Path

import pytest
from endpoint_asking import quick, samples, with_engine
from faulty_endpoint import Faulty

from services.inference.openai.engine import OpenAIEngine
from services.inference.openai.retrying import asked_wait, wait_before
from services.inference.openai.settings import OpenAISettings
from shared.domain.model import ModelInfo
from shared.errors import FieldError, UnavailableError

WRONG = {
    "base_url": "localhost:8000",
    "model": "",
    "mode": "responses",
    "output_limit": "length",
    "timeout": 0,
    "concurrency": 0,
    "requests_per_minute": 0.5,
    "max_retries": -1,
    "token_budget": -1,
    "cost_budget": 1.0,
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_cannot_work_are_refused_by_name(name: str) -> None:
    with pytest.raises(FieldError, match=f"^{name}: "):
        quick(**{"url": "http://x/v1", name: WRONG[name]})


def test_an_address_with_credentials_is_refused_without_showing_them() -> None:
    with pytest.raises(FieldError, match="base_url") as caught:
        quick("http://me:secret@x/v1")
    assert "secret" not in str(caught.value)


def test_completions_need_a_tokenizer() -> None:
    with pytest.raises(FieldError, match="tokenizer"):
        quick("http://x/v1", mode="completions")


@pytest.mark.parametrize("text", ["", " \n", "two words", "a\nb", "caf\u00e9"])
def test_a_file_that_holds_no_key_is_refused(faulty: Faulty, tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(UnavailableError, match=r"file .*key"):
        with_engine(quick(faulty.url, api_key_file=tmp_path / "key"), samples)


def test_a_variable_that_is_not_set_is_named(faulty: Faulty) -> None:
    with pytest.raises(UnavailableError, match="variable IDIOLECT_NO_SUCH_KEY"):
        with_engine(quick(faulty.url, api_key_env="IDIOLECT_NO_SUCH_KEY"), samples)


def test_the_key_in_the_file_is_sent(faulty: Faulty, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-secret\n")
    with_engine(quick(faulty.url, api_key_file=tmp_path / "key"), samples)
    assert faulty.headers[0]["authorization"] == "Bearer sk-secret"


def test_no_key_of_the_environment_reaches_an_endpoint_without_one(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "meant-for-others")
    with_engine(quick(faulty.url), samples)
    assert "meant-for-others" not in faulty.headers[0].values()


def test_settings_and_engine_do_not_show_the_key(faulty: Faulty, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-secret")
    settings = quick(faulty.url, api_key_file=tmp_path / "key")

    async def ask(engine: OpenAIEngine) -> str:
        return repr(engine) + repr(engine.info) + repr(engine.spent)

    assert "sk-secret" not in repr(settings) + with_engine(settings, ask)


def info_of(settings: OpenAISettings) -> ModelInfo:
    async def ask(engine: OpenAIEngine) -> ModelInfo:
        return engine.info

    return with_engine(settings, ask)


def test_info_tells_what_the_endpoint_cannot_do(faulty: Faulty) -> None:
    info = info_of(quick(faulty.url))
    assert (info.name, info.context, info.scores, info.seeded) == ("openai:m", 512, False, False)
    assert info.limits.startswith("no log-probs")


def test_another_model_has_another_digest(faulty: Faulty) -> None:
    assert info_of(quick(faulty.url)).digest != info_of(quick(faulty.url, model="other")).digest


def test_loading_asks_for_another_model_of_the_list(faulty: Faulty) -> None:
    async def ask(engine: OpenAIEngine) -> ModelInfo:
        loaded = await engine.load("other")
        await samples(engine)
        return loaded

    loaded = with_engine(quick(faulty.url), ask)
    assert (loaded.model, loaded.context, faulty.bodies[0]["model"]) == ("other", 64, "other")


def test_loading_a_model_that_is_not_listed_names_those_that_are(faulty: Faulty) -> None:
    with pytest.raises(UnavailableError, match="no model 'lost'; it serves m, other"):
        with_engine(quick(faulty.url), lambda engine: engine.load("lost"))


@pytest.mark.parametrize("what", ["sleep", "wake"])
def test_there_is_no_memory_here_to_give_back(faulty: Faulty, what: str) -> None:
    with_engine(quick(faulty.url), lambda engine: getattr(engine, what)())


def test_what_is_asked_reaches_the_server(faulty: Faulty) -> None:
    schema = '{"type": "object"}'
    with_engine(
        quick(faulty.url, output_limit="max_completion_tokens"),
        lambda engine: samples(engine, temperature=0.5, top_p=0.9, max_tokens=7, stop=("\n",), schema=schema),
    )
    sent = faulty.bodies[0]
    names = ("model", "temperature", "top_p", "max_completion_tokens", "stop")
    assert [sent[name] for name in names] == ["m", 0.5, 0.9, 7, ["\n"]]
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_every_sample_has_a_seed_of_its_own(faulty: Faulty) -> None:
    with_engine(quick(faulty.url), lambda engine: samples(engine, n=5))
    assert len({body["seed"] for body in faulty.bodies}) == 5


def test_a_schema_that_is_no_json_is_refused(faulty: Faulty) -> None:
    with pytest.raises(FieldError, match="schema: is no JSON"):
        with_engine(quick(faulty.url), lambda engine: samples(engine, schema="{"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": formatdate(0)}, 0.0),
    ],
)
def test_what_the_server_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers) == seconds


def test_waits_double_and_stay_below_the_longest() -> None:
    settings = quick("http://x/v1", first_wait=1.0, longest_wait=5.0)
    waits = [wait_before(attempt, None, 1.0, settings) for attempt in (1, 2, 3, 4, 5, 6)]
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0, None]


def test_jitter_comes_on_top_of_what_the_server_asks_for() -> None:
    settings = quick("http://x/v1", first_wait=1.0)
    assert [wait_before(1, 3.0, draw, settings) for draw in (0.0, 0.5)] == [3.0, 3.5]
