"""A config says what it wants, or which entry can't be used and what to write instead."""

import tomllib
from importlib.resources import files
from typing import Any

import pytest
from made_study import CONTENT, SCORED

from shared.errors import FieldError
from shared.study.config import to_config

SHIPPED = (
    "miniature",
    "miniature-quick",
    "miniature-full",
    "miniature-again",
    "miniature-search",
    "gpu",
    "smollm2-scoring",
    "smollm2-gpu",
    "smollm2-quick",
)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The content with one entry changed; the path names list places by number."""
    content: Any = {**CONTENT, "arms": [dict(arm) for arm in CONTENT["arms"]]}
    *outer, last = path.split(".")
    inner = content
    for name in outer:
        key: Any = int(name) if name.isdigit() else name
        inner[key] = dict(inner[key]) if isinstance(inner[key], dict) else list(inner[key])
        inner = inner[key]
    inner[last] = value
    return dict(content)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("name", 3, "name"),
        ("seeds", [0, 1], "seeds"),
        ("seeds", [0, 1, 1], "seeds"),
        ("seeds", [0, 1, "a"], "seeds[2]"),
        ("losses", ["sft", "ppo"], "losses[1]"),
        ("source", "best", "source"),
        ("native", "worst", "native"),
        ("count", 0, "count"),
        ("colour", "red", "colour"),
        ("problems.kind", "web", "problems.kind"),
        ("problems.count", True, "problems.count"),
        ("problems.draws", [9001], "problems.held_out_seed"),
        ("problems.kind", "file", "problems.file"),
        ("student.models", [], "student.models"),
        ("student.colour", "red", "student.colour"),
        ("sampling.samples", 0, "sampling.samples"),
        ("sampling.temperature", -1, "sampling.temperature"),
        ("evaluation.top_p", 0, "evaluation.top_p"),
        ("evaluation.max_tokens", "many", "evaluation.max_tokens"),
        ("arms", [], "arms"),
        ("arms", [{"name": "reference"}], "arms"),
        ("arms.0.name", "na tive", "arms[0].name"),
        ("arms.3.name", "native", "arms[3].name"),
        ("arms.0.maker", "magic", "arms[0].maker"),
        ("arms.1.oracle", "weak", "arms[1].oracle"),
        ("arms.3.missing", "guess", "arms[3].missing"),
        ("arms.3.share", 0.5, "arms[3].share"),
        ("training.rates", {"sft": 1e-3}, "training.rates.dft"),
        ("training.rates", {"sft": 1e-3, "dft": 0}, "training.rates.dft"),
        ("training.steps", [], "training.steps"),
        ("training.betas", [0.9], "training.betas"),
        ("training.schedule", "steep", "training.schedule"),
        ("training.loss", "sft", "training.loss"),
        ("lambdas", [-1.0], "lambdas[0]"),
        ("lambdas", [float("nan")], "lambdas[0]"),
        ("design", {"accuracy": 2}, "design.accuracy"),
    ],
)
def test_a_bad_entry_is_named_by_its_dotted_path(path: str, value: Any, field: str) -> None:
    with pytest.raises(FieldError) as caught:
        to_config(changed(path, value))
    assert caught.value.field == field


def test_every_refusal_says_what_to_write() -> None:
    with pytest.raises(FieldError, match="use one of first, wrong, right"):
        to_config(changed("source", "best"))


def test_fewer_than_three_seeds_can_be_forced() -> None:
    assert to_config({**CONTENT, "seeds": [0], "few_seeds": True}).seeds == (0,)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_config_can_be_read(name: str) -> None:
    text = (files("services.embedded") / "studies" / f"{name}.toml").read_text(encoding="utf-8")
    assert to_config(tomllib.loads(text)).name == name


@pytest.mark.parametrize("name", ["seeds", "training", "evaluation", "lambdas", "design"])
def test_a_study_that_trains_nothing_is_told_nothing_of_trainings(name: str) -> None:
    content = {**SCORED, name: CONTENT.get(name, {"accuracy": 0.5})}
    with pytest.raises(FieldError, match="remove it"):
        to_config(content)


def test_a_study_without_losses_trains_nothing() -> None:
    assert not to_config(SCORED).trains


def test_the_rule_for_native_leaves_the_identity_of_older_studies_alone() -> None:
    assert "native" not in to_config(CONTENT).identity()


def test_an_arm_is_made_by_the_maker_of_its_name_unless_another_is_named() -> None:
    arms = [{"name": "native"}, {"name": "drift", "maker": "respelled", "oracle": "strong", "share": 0.5}]
    assert [arm.maker for arm in to_config({**CONTENT, "arms": arms}).arms] == ["native", "respelled"]
