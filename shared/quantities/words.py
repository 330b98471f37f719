"""The closed tables of words that this package reads: numerals, operators, units, function words."""

from __future__ import annotations

from fractions import Fraction

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TIES = "twenty thirty forty fifty sixty seventy eighty ninety"
CARDINALS: dict[str, int] = {word: value for value, word in enumerate(_ONES.split())}
TENS: dict[str, int] = {word: 10 * (place + 2) for place, word in enumerate(_TIES.split())}
SCALES: dict[str, int] = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
MULTIPLES: dict[str, Fraction] = {
    "half": Fraction(1, 2),
    "halves": Fraction(1, 2),
    "quarter": Fraction(1, 4),
    "quarters": Fraction(1, 4),
    "dozen": Fraction(12),
    "dozens": Fraction(12),
    "once": Fraction(1),
    "twice": Fraction(2),
    "double": Fraction(2),
    "doubles": Fraction(2),
    "doubled": Fraction(2),
    "thrice": Fraction(3),
    "triple": Fraction(3),
    "triples": Fraction(3),
    "tripled": Fraction(3),
    "quadruple": Fraction(4),
    "quadrupled": Fraction(4),
}
# Words that are fractions only after a count ("two thirds") or an article and before "of"; else ordinals.
PARTS: dict[str, int] = {
    name + plural: value
    for name, value in {
        "third": 3,
        "fourth": 4,
        "fifth": 5,
        "sixth": 6,
        "seventh": 7,
        "eighth": 8,
        "ninth": 9,
        "tenth": 10,
        "twelfth": 12,
        "hundredth": 100,
    }.items()
    for plural in ("", "s")
}
ORDINALS: dict[str, int] = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10,
}  # fmt: skip

OPERATOR_WORDS: dict[str, str] = {"plus": "+", "minus": "-", "times": "*"}
OPERATOR_PAIRS: dict[tuple[str, str], str] = {
    ("divided", "by"): "/",
    ("multiplied", "by"): "*",
}
EQUALITY_WORDS = frozenset({"equals"})

# Words that never are the unit of a quantity; they end a run of unit words.
_FUNCTION = (
    "a an the and or but so then if is are was were be been being has have had do does did will would can "
    "could should may might must of for to in on at by from with without into onto as than that this these "
    "those there here which who whom whose what when where why how he she it they we you i his her its their "
    "our your my him them us not no nor yet also only just because since therefore thus hence we're it's "
    "she's he's let's let get gets got give gives gave make makes made mean means equals equal leaves "
    "spends spent buys bought sells sold eats ate pays paid needs need uses used"
)
FUNCTION_WORDS = frozenset(_FUNCTION.split())

# Function words that may stand inside a unit phrase: 24 hours in a day, 3 dollars for each of the boys.
_PHRASING = "a an the per of for from each every in on at to his her its their"
PHRASE_WORDS = frozenset(_PHRASING.split())

# Symbols of units that may be written right behind the digits ("5km"); other letters there are variables.
_SYMBOLS = "km cm mm kg mg ml kl dl lb lbs oz hr hrs ft mi mph kph min mins sec secs yd yds gb mb tb cents"
ATTACHED_UNITS = frozenset(_SYMBOLS.split())
CLOCK_WORDS = frozenset({"am", "pm", "a.m", "p.m", "o'clock", "st", "nd", "rd", "th"})

CURRENCIES = "$€£¥₹"


def singular(noun: str) -> str:
    """Crude singular of a lower-case English noun: pennies -> penny, boxes -> box, eggs -> egg."""
    if len(noun) > 4 and noun.endswith("ies"):
        return noun[:-3] + "y"
    if len(noun) > 4 and noun.endswith(("ches", "shes", "sses", "xes", "zes")):
        return noun[:-2]
    if len(noun) > 3 and noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        return noun[:-1]
    return {"feet": "foot", "people": "person", "children": "child", "men": "man"}.get(noun, noun)
