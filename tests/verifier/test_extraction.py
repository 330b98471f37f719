"""Where the final answer of a solution is found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.oracle.verifier.extraction import final_answer

STATED = {
    "a box": (r"So we get \(x = \boxed{36}\) miles.", "36"),
    "nested braces": (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
    "escaped braces": (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    "the last of several boxes": (r"\boxed{3} is wrong, as we have seen above. It is \boxed{4}.", "4"),
    "boxes next to each other": (r"\(\boxed{1}\) and \(\boxed{-2}\).", "1, -2"),
    "a box left open": (r"Hence \boxed{\frac{1}{2", r"\frac{1}{2"),
    "a fbox": (r"there remain $\fbox{958}$ values", "958"),
    "hash marks": ("She makes 9 * 2 = 18.\n#### 18", "18"),
    "hash marks in a step": ("Step 2: so 25.\nStep 3: #### 25", "25"),
    "a line A:": ("16 - 3 = 13\nA: 26", "26"),
    "a bold line": ("work\n**Answer:** 12 apples", "12 apples"),
    "a phrase": ("It takes 4 + 1/2. The answer is 5.", "5"),
    "a phrase within a line": ("Final Answer: The final answer is (6,5). I hope it is correct.", "(6,5)"),
    "a phrase in prose": ("Final Answer: Jane started growing Sphere 3 hours ago.", "3"),
    "a phrase with a formula": (r"The answer is $16,\!386.20$. I am sorry.", r"$16,\!386.20$"),
    "a phrase in French": ("Réponse: Janeth aura encore 220 $ à payer d'ici 12 mois.", "220"),
    "a factorial": ("A: 5!", "5!"),
    "words": ("The answer is Evelyn.", "Evelyn"),
    "a choice": ("so it holds\nSolution: Choice_B", "Choice_B"),
    "a later phrase over an earlier box": (r"\boxed{3}. I was wrong. The answer is 4.", "4"),
    "a bare number": (" 42 ", "42"),
    "a bare formula": (r"\frac{3}{4}", r"\frac{3}{4}"),
    "the result of the last equation": ("so he has 16 - 3 = 13 ducks eggs left", "13"),
    "the last number": ("She makes $224 a day at the farmers' market", "$224"),
    "a number before calculator notes": ("13 * 2 = $<<13*2=26>>26", "$26"),
    "the last formula": (r"So the solution is $x = -\frac{7}{3}$.", r"x = -\frac{7}{3}"),
    "a stressed number": (r"The digit of \(\frac{1}{7}\) is **6**.", "6"),
    "an earlier line": ("It is 12 apples.\nThank you all for reading this.", "12"),
}


@pytest.mark.parametrize(("text", "expected"), STATED.values(), ids=STATED.keys())
def test_the_final_answer_is_found_in(text: str, expected: str) -> None:
    found = final_answer(text)
    assert found is not None
    assert found.text == expected


@pytest.mark.parametrize("text", ["", " \n ", "I do not know how this problem could be solved.", r"\boxed{}"])
def test_no_answer_is_found_where_none_is_stated(text: str) -> None:
    assert final_answer(text) is None or final_answer(text).text == text  # type: ignore[union-attr]


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="\\boxed{}answer is:#=$()[]*.,!? \nA12/-%é答", max_size=300))
def test_any_text_has_an_answer_taken_from_it_or_none(text: str) -> None:
    found = final_answer(text)
    assert found is None or all(part.strip() in text for part in found.text.split(", "))
