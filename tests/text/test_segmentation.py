"""Segmentation loses nothing, cuts no formula, and cuts where a reader would."""

from __future__ import annotations

import gc
import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.text.formulas import find_formulas
from shared.text.segmentation import join_steps, segment

NEWLINES = ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029", "\v", "\f", "\n\n", "\r\n\r\n", "\u2028\u2028"]
FORMULAS = [
    "$x = 5. Then y = 3$",
    "$\\frac{1}{2}$",
    "\\( a. B = 2 \\)",
    "\\(a\n\nb\\)",
    "\\[ x = 1.\n\n Y = 2 \\]",
    "$$\nx = 1. \nY = 2\n$$",
    "\\begin{align*}\nx &= 1. \\\\\nStep 2: &= 3\n\\end{align*}",
    "\\begin{pmatrix}1\\\\\n2\\end{pmatrix}",
    "<<3*6=18. 5>>",
]
PROSE = [
    "So he has 4. ",
    "Step 2: go on. ",
    "- an item",
    "It costs $5 today. ",
    "1. First",
    "A: 42",
    "x",
    "\u0301",
    "🦆. ",
]


def texts(*, alphabet: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[str]:
    pieces = st.one_of(
        st.sampled_from(NEWLINES),
        st.sampled_from(FORMULAS),
        st.sampled_from(PROSE),
        alphabet or st.text(max_size=8),
    )
    return st.lists(pieces, max_size=14).map("".join)


def outside_steps(text: str) -> str:
    rest, position = [], 0
    for step in segment(text):
        rest.append(text[position : step.span.start])
        position = step.span.end
    return "".join([*rest, text[position:]])


@settings(deadline=None)
@given(texts())
def test_between_steps_stands_only_white_space(text: str) -> None:
    assert not outside_steps(text).strip()


@settings(deadline=None)
@given(texts())
def test_steps_are_ordered_spans_that_hold_their_text(text: str) -> None:
    steps = segment(text)
    starts = [step.span.start for step in steps]
    assert starts == sorted(starts)
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(steps))
    assert [step.text for step in steps] == [text[s.span.start : s.span.end] for s in steps]
    assert [step.index for step in steps] == list(range(len(steps)))


@settings(deadline=None)
@given(texts())
def test_no_step_is_empty_or_padded(text: str) -> None:
    assert all(step.text and step.text == step.text.strip() for step in segment(text))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["So we get ", "Then. ", "Let\n", "And\n\n"]), st.sampled_from(FORMULAS)),
        max_size=6,
    )
)
def test_a_formula_always_stands_in_one_step(parts: list[tuple[str, str]]) -> None:
    text = "".join(f"{lead}{formula} so far.\n" for lead, formula in parts)
    steps = segment(text)
    assert all(any(formula in step.text for step in steps) for _, formula in parts)


@settings(deadline=None)
@given(texts())
def test_no_step_ends_inside_anything_found_as_a_formula(text: str) -> None:
    ends = {step.span.end for step in segment(text)}
    assert not [
        f for f in find_formulas(text) if any(f.span.start < end < f.span.end for end in ends) and f.display
    ]


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), max_size=8), st.text(max_size=3))
def test_given_steps_are_found_again_in_the_joined_text(steps: list[str], joiner: str) -> None:
    text, placed = join_steps(steps, joiner)
    assert text == joiner.join(steps)
    assert [text[step.span.start : step.span.end] for step in placed] == steps


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\x85\u2028", "\t\n"])
def test_a_blank_text_has_no_steps(text: str) -> None:
    assert segment(text) == ()


CASES = {
    "sentences of one paragraph": (
        "Jo has 4 bolts. So 2 x 2 = 4 bolts. 4 + 3 = 7. So it takes 7. The answer is 7.",
        ["Jo has 4 bolts.", "So 2 x 2 = 4 bolts.", "4 + 3 = 7.", "So it takes 7.", "The answer is 7."],
    ),
    "decimals, money, titles, hours": (
        "Mr. Smith pays $4.50 at 9 p.m. on Monday. Dr. Who paid 3.5 at 8 a.m. Then he left.",
        ["Mr. Smith pays $4.50 at 9 p.m. on Monday.", "Dr. Who paid 3.5 at 8 a.m.", "Then he left."],
    ),
    "money is no formula": (
        "He paid $5. She paid $7. Both paid$12.",
        ["He paid $5.", "She paid $7.", "Both paid$12."],
    ),
    "a factorial ends nothing": ("Now 5! = 120 ways. That is all.", ["Now 5! = 120 ways.", "That is all."]),
    "variables begin sentences": ("x = 5. y = 3.", ["x = 5.", "y = 3."]),
    "abbreviations": (
        "I use e.g. No. 5 and approx. 3 of St. Ives vs. Paris. Done.",
        ["I use e.g. No. 5 and approx. 3 of St. Ives vs. Paris.", "Done."],
    ),
    "lines": ("a 1 + 1 = 2\nShe has 3\r\nA: 3", ["a 1 + 1 = 2", "She has 3", "A: 3"]),
    "unusual newlines": ("One is 1\x85Two is 2\u2028Three is 3", ["One is 1", "Two is 2", "Three is 3"]),
    "an answer line beside one paragraph": (
        "He has 3. He buys 4.\n#### 7",
        ["He has 3.", "He buys 4.", "#### 7"],
    ),
    "numbered items": ("We see:\n1. a is 2\n2. b is 3", ["We see:", "1. a is 2", "2. b is 3"]),
    "named steps in one line": ("Step 1: add 2. Step 2: add 3.", ["Step 1: add 2.", "Step 2: add 3."]),
    "items stay with their lead-in": (
        "First, the books:\n- one weighs 2\n- two weigh 4\nThen we add.",
        ["First, the books:\n- one weighs 2\n- two weigh 4", "Then we add."],
    ),
    "display maths goes on with the sentence": (
        "We get:\n\n\\[ x = 2 \\]\n\nThen we stop.",
        ["We get:\n\n\\[ x = 2 \\]", "Then we stop."],
    ),
    "a display without a paragraph": (
        "Adding gives\n\\[ 2 + 2 = 4. \\]\nwhere 2 is given.\nNext we stop.",
        ["Adding gives\n\\[ 2 + 2 = 4. \\]\nwhere 2 is given.", "Next we stop."],
    ),
    "a heading goes with its body": (
        "### Step 1: Find x\n\nx is 3.\n\n### Step 2: Find y\n\ny is 4.",
        ["### Step 1: Find x\n\nx is 3.", "### Step 2: Find y\n\ny is 4."],
    ),
    "a formula may end a sentence": ("So $x = 5.$ Then we go.", ["So $x = 5.$", "Then we go."]),
    "scripts without spaces": ("第一步。第二步！好", ["第一步。", "第二步！", "好"]),
    "notes hold no boundary": (
        "She has $<<3*6=18. 5>>18. Then 2.",
        ["She has $<<3*6=18. 5>>18.", "Then 2."],
    ),
}


@pytest.mark.parametrize(("text", "steps"), CASES.values(), ids=CASES.keys())
def test_a_text_is_cut_where_a_reader_would(text: str, steps: list[str]) -> None:
    assert [step.text for step in segment(text)] == steps


HOSTILE = {
    "stops": ".",
    "dollars": "$",
    "money": "$5 a ",
    "open brackets": "\\( ",
    "open displays": "\\[\n",
    "environments": "\\begin{a}",
    "mixed environments": "\\begin{a}\\end{b}\\begin{c}",
    "notes": "<<",
    "newlines": "\n ",
    "crlf": "\r\n",
    "quotes": '."',
    "sentences": "So a. ",
    "bullets": "\n- a",
    "backslashes": "\\",
    "fences": "```\n",
}


def seconds(piece: str, times: int) -> float:
    """Processor time, the best of three, without the collector: it walks all that other tests have loaded."""
    return min(_seconds(piece * times) for _ in range(3))


def _seconds(text: str) -> float:
    gc.disable()
    try:
        begun = time.process_time()
        segment(text)
        return time.process_time() - begun
    finally:
        gc.enable()


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_ten_times_the_text_takes_nowhere_near_a_hundred_times_the_work(piece: str) -> None:
    assert seconds(piece, 40_000) < 35 * seconds(piece, 4_000) + 0.2
