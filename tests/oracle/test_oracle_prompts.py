"""Prompt files: versioned, filled whole, and deaf to what their values say."""

import hashlib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.oracle.fence import Fence
from services.oracle.promptfiles import CRITIC, JUDGE, REWRITE, load_prompt, prompt_digests, read_prompt
from shared.errors import FieldError

SMALL = read_prompt("small.v3", b'## system\nAnswer {"step": "x"}.\n## user\n{problem} {steps}\n')


def test_a_prompt_names_its_version():
    assert (SMALL.name, SMALL.version) == ("small", 3)


@pytest.mark.parametrize("name", [CRITIC, REWRITE, JUDGE])
def test_the_digest_of_a_prompt_is_that_of_its_file(name):
    content = (files("services.oracle") / "prompts" / f"{name}.md").read_bytes()
    assert prompt_digests()[name] == hashlib.sha256(content).hexdigest()


def test_braces_of_an_example_in_a_prompt_are_no_placeholder():
    assert load_prompt(JUDGE).placeholders == {"key", "problem", "native", "refined"}


def test_braces_in_a_value_stay_what_they_are():
    filled = SMALL.filled(problem=r"\frac{steps}{2} {problem}", steps="one")
    assert filled.messages[1].content == r"\frac{steps}{2} {problem} one"


def test_a_prompt_with_an_empty_place_is_refused():
    with pytest.raises(FieldError, match="asks for steps"):
        SMALL.filled(problem="p")


def test_a_value_that_has_no_place_is_refused():
    with pytest.raises(FieldError, match="has no place for gold"):
        SMALL.filled(problem="p", steps="s", gold="18")


@pytest.mark.parametrize("name", ["critic.v99", "../critic.v1", "critic"])
def test_a_prompt_that_is_not_there_is_refused(name):
    with pytest.raises(FieldError, match=r"critic\.v1"):
        load_prompt(name)


def test_a_prompt_without_both_parts_is_refused():
    with pytest.raises(FieldError, match="lacks a part"):
        read_prompt("small.v1", b"## user\nhello\n")


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_no_text_can_hold_the_key_of_its_own_fence(texts):
    key = Fence.around(*texts).key
    assert not any(key in text for text in texts)


def test_equal_texts_have_equal_fences():
    assert Fence.around("a", "b") == Fence.around("a", "b")
