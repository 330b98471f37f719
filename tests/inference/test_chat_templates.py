"""Prompts and stop rules of the families that the method was measured on, from their real templates.

The tokenizer is SmolLM2's with the family's special tokens added: what is rendered and where it ends
depends on the template and on those tokens, not on the other words of the vocabulary.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.inference.stops import end_ids, turn_end
from shared.errors import FieldError

TEMPLATES = Path(__file__).parents[1] / "data" / "templates"
PROBLEM = "What is 2 + 3?"
DATE = "26 Jul 2024"
QWEN_SAYS = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
QWEN_MATH_SAYS = r"Please reason step by step, and put your final answer within \boxed{}."


@dataclass(frozen=True)
class Family:
    """What a model's tokenizer_config.json and generation_config.json say, and what must come of it."""

    template: str
    prompt: str
    ends: frozenset[str]
    configured: tuple[str, ...]
    eos: str
    bos: str | None = None
    further: tuple[str, ...] = ()


def template(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text("utf-8")


def qwen_math_template() -> str:
    """In Jinja source a backslash stands twice."""
    return template("qwen2.5-instruct").replace(QWEN_SAYS, QWEN_MATH_SAYS.replace("\\", "\\\\"))


def chatml(system: str) -> str:
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n"
        "<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


LLAMA = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhat is 2 + 3?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>")
DEEPSEEK_BEGIN, DEEPSEEK_END = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"

FAMILIES = {
    "Qwen2.5-Instruct": Family(
        template("qwen2.5-instruct"),
        chatml(QWEN_SAYS),
        ends=frozenset({"<|im_end|>", "<|endoftext|>"}),
        configured=("<|im_end|>", "<|endoftext|>"),
        eos="<|im_end|>",
    ),
    "Qwen2.5-Math": Family(
        qwen_math_template(),
        chatml(QWEN_MATH_SAYS),
        ends=frozenset({"<|im_end|>", "<|endoftext|>"}),
        configured=("<|endoftext|>",),
        eos="<|endoftext|>",
    ),
    "Qwen2.5-Math-Instruct": Family(
        qwen_math_template(),
        chatml(QWEN_MATH_SAYS),
        ends=frozenset({"<|im_end|>", "<|endoftext|>"}),
        configured=("<|im_end|>", "<|endoftext|>"),
        eos="<|im_end|>",
    ),
    "Llama-3.1-Instruct": Family(
        template("llama-3.1-instruct"),
        LLAMA,
        ends=frozenset({"<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"}),
        configured=("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
        eos="<|eot_id|>",
        bos="<|begin_of_text|>",
        further=HEADERS,
    ),
    "Llama-3.2-Instruct": Family(
        template("llama-3.2-instruct"),
        LLAMA,
        ends=frozenset({"<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"}),
        configured=("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
        eos="<|eot_id|>",
        bos="<|begin_of_text|>",
        further=HEADERS,
    ),
    "Llama-3.2, tuned from the base model with the template added": Family(
        template("llama-3.2-instruct"),
        LLAMA,
        ends=frozenset({"<|end_of_text|>", "<|eot_id|>"}),
        configured=("<|end_of_text|>",),
        eos="<|end_of_text|>",
        bos="<|begin_of_text|>",
        further=HEADERS,
    ),
    "DeepSeek-LLM and DeepSeekMath": Family(
        template("deepseek-llm-chat"),
        f"{DEEPSEEK_BEGIN}User: What is 2 + 3?\n\nAssistant:",
        ends=frozenset({DEEPSEEK_END}),
        configured=(DEEPSEEK_END,),
        eos=DEEPSEEK_END,
        bos=DEEPSEEK_BEGIN,
    ),
    "DeepSeek-R1-Distill": Family(
        template("deepseek-r1-distill-qwen"),
        f"{DEEPSEEK_BEGIN}<｜User｜>What is 2 + 3?<｜Assistant｜><think>\n",
        ends=frozenset({DEEPSEEK_END}),
        configured=(DEEPSEEK_END,),
        eos=DEEPSEEK_END,
        bos=DEEPSEEK_BEGIN,
        further=("<｜User｜>", "<｜Assistant｜>"),
    ),
}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@pytest.fixture(scope="module")
def smollm() -> Checkpoint:
    return load_checkpoint(threads=1)


def dressed(smollm: Checkpoint, family: Family) -> Any:
    """SmolLM2's tokenizer with a family's special tokens and template; plain encoding begins with its BOS."""
    tokenizer = copy.deepcopy(smollm.tokenizer)
    named = {"eos_token": family.eos, "additional_special_tokens": list(family.further)}
    tokenizer.add_special_tokens(named | ({"bos_token": family.bos} if family.bos else {}))
    if family.bos:
        known = [(family.bos, tokenizer.convert_tokens_to_ids(family.bos))]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=known
        )
    else:
        tokenizer.bos_token = None
    tokenizer.chat_template = family.template
    return tokenizer


def rendered(tokenizer: Any, *, answer: str | None = None) -> str:
    """The conversation as text: a question to answer, or with its answer."""
    turns = [{"role": "user", "content": PROBLEM}]
    turns += [{"role": "assistant", "content": answer}] if answer else []
    return tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=answer is None, date_string=DATE
    )


@every_family
def test_a_problem_is_asked_as_the_model_was_trained(smollm: Checkpoint, family: Family) -> None:
    assert rendered(dressed(smollm, family)) == family.prompt


@every_family
def test_the_prompt_ends_where_the_answer_begins(smollm: Checkpoint, family: Family) -> None:
    # A reasoning model's template opens the thoughts for it, and drops them from former turns.
    opened = family.prompt.removesuffix("<think>\n")
    assert rendered(dressed(smollm, family), answer="It is 5.").startswith(opened)


@every_family
def test_what_ends_a_solution_is_found(smollm: Checkpoint, family: Family) -> None:
    tokenizer = dressed(smollm, family)
    configured = [tokenizer.convert_tokens_to_ids(token) for token in family.configured]
    found = end_ids(tokenizer, configured[0] if len(configured) == 1 else configured)
    assert set(tokenizer.convert_ids_to_tokens(sorted(found))) == family.ends


@every_family
def test_the_end_of_a_turn_stands_behind_the_answer(smollm: Checkpoint, family: Family) -> None:
    tokenizer = dressed(smollm, family)
    end = tokenizer.convert_ids_to_tokens(turn_end(tokenizer))
    assert f"It is 5.{end}" in rendered(tokenizer, answer="It is 5.")


@every_family
def test_a_prompt_begins_with_no_more_than_one_begin_token(smollm: Checkpoint, family: Family) -> None:
    tokenizer = dressed(smollm, family)
    ids = replace(smollm, tokenizer=tokenizer).prompt(PROBLEM)
    assert ids.count(tokenizer.bos_token_id) == (1 if family.bos else 0)


@every_family
def test_special_tokens_of_a_prompt_are_read_as_such(smollm: Checkpoint, family: Family) -> None:
    tokenizer = dressed(smollm, family)
    ids = tokenizer(family.prompt, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True).count("<|") == 0
    assert tokenizer.decode(ids) == family.prompt


@pytest.mark.parametrize("name", ["Llama-3.1-Instruct", "Llama-3.2-Instruct"])
def test_a_given_date_is_the_date_of_the_prompt(smollm: Checkpoint, name: str) -> None:
    assert f"Today Date: {DATE}\n" in rendered(dressed(smollm, FAMILIES[name]))


def test_a_model_without_a_template_is_asked_in_plain_text(smollm: Checkpoint) -> None:
    bare = dressed(smollm, replace(FAMILIES["DeepSeek-LLM and DeepSeekMath"], template=""))
    ids = replace(smollm, tokenizer=bare).prompt(PROBLEM)
    assert bare.decode(ids) == f"{DEEPSEEK_BEGIN}{PROBLEM}\n\n"


@pytest.mark.parametrize("nothing", ["", None])
def test_a_model_without_a_template_ends_at_its_own_end(smollm: Checkpoint, nothing: str | None) -> None:
    bare = copy.deepcopy(smollm.tokenizer)
    bare.chat_template = nothing
    assert end_ids(bare, None) == {bare.eos_token_id}


@pytest.mark.parametrize("behind", ["\n", " the end", "<|made up|>"])
def test_a_turn_that_ends_with_plain_text_has_no_end_token(smollm: Checkpoint, behind: str) -> None:
    plain = copy.deepcopy(smollm.tokenizer)
    plain.chat_template = "{% for m in messages %}{{ m.content }}" + behind + "{% endfor %}"
    assert turn_end(plain) is None


def test_white_space_before_the_end_of_a_turn_does_not_hide_it(smollm: Checkpoint) -> None:
    spaced = copy.deepcopy(smollm.tokenizer)
    spaced.chat_template = "{% for m in messages %}{{ m.content }}\n <|endoftext|>{% endfor %}"
    assert spaced.convert_ids_to_tokens(turn_end(spaced)) == "<|endoftext|>"


def test_a_template_that_cannot_show_an_answer_is_named(smollm: Checkpoint) -> None:
    broken = copy.deepcopy(smollm.tokenizer)
    broken.chat_template = "{{ raise_exception('users only') }}"
    with pytest.raises(FieldError, match="chat_template: can't be rendered"):
        turn_end(broken)


def test_the_checkpoint_ends_where_its_template_does(smollm: Checkpoint) -> None:
    assert smollm.tokenizer.convert_tokens_to_ids("<|im_end|>") in smollm.ends()
