"""Words that say what is calculated, and equations that may stand beside them."""

import pytest

from services.oracle.rewriters.announced import keeps_its_word
from shared.quantities.equations import find_equations

PROBLEM = "Ben gives away 38 cards. Ben finds 7 more. Red hats made $400, half of what green ones made."


@pytest.mark.parametrize(
    ("sentence", "new", "kept"),
    [
        ("The pile grows to 4 times its size, so I get 45 * 4 = 180.", "45 + 19 = 64", False),
        ("The pile grows to 4 times its size, so I get 45 * 4 = 180.", "64 * 4 = 256", True),
        ("He cuts it into 4 equal parts: 64 / 4 = 16.", "64 - 4 = 60", False),
        ("She gives away 7, so I get 49 - 7 = 42.", "49 + 7 = 56", False),
        # The words were right, and the equation was not what they say.
        ("She gives away 7, so I get 49 + 7 = 56.", "49 - 7 = 42", True),
        # Who loses 20 at 5 each loses 100.
        ("He loses 20 bets of 5 each: 20 - 5 = 15.", "20 * 5 = 100", True),
        ("The bales left in the field are 30 + 18 = 48.", "30 - 18 = 12", True),
        ("The bales left in the field are 30 - 18 = 12.", "30 + 18 = 48", False),
        # The problem says so of another number, or of the same: then the opposite may be asked for.
        ("Ben gives away 7, so I get 49 - 7 = 42.", "49 + 7 = 56", False),
        ("Ben gives away 38 and has 49, so he had 49 - 38 = 11.", "49 + 38 = 87", True),
        ("Red hats made $400, half of the green: 400 / 2 = 200.", "400 * 2 = 800", True),
        ("Half of the 60 are 60 / 2 = 30.", "60 * 2 = 120", False),
        # What an equation says itself goes with it.
        ("Step one: 45 times 4 = 180.", "45 + 19 = 64", True),
        ("At times he eats 3 a day, so 5 + 3 = 8.", "5 * 3 = 15", True),
    ],
)
def test_a_sentence_keeps_the_operation_that_it_names_and_carries_out(
    sentence: str, new: str, kept: bool
) -> None:
    [native], [other] = find_equations(sentence), find_equations(new)
    assert keeps_its_word(sentence, native, other.left, PROBLEM) is kept
