"""The closed table of numbers that a unit word brings into a solution without being written there.

A constant is allowed where one of its words stands in the problem or in the solution; nothing else is.
Sources: SI brochure (BIPM, 9th edition) for metric prefixes and time; the international yard and pound
agreement of 1959 for feet, yards, ounces; everyday calendar and counting words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

_TABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("week weeks weekly weekday weekdays weekend weekends day days daily monday tuesday wednesday thursday "
     "friday saturday sunday", ("7",)),
    ("weekday weekdays workweek workday workdays work school", ("5",)),
    ("weekend weekends", ("2",)),
    ("month months monthly year years yearly annual annually annum", ("12",)),
    ("week weeks weekly year years yearly annual annually", ("52",)),
    ("month months monthly", ("30", "4", "31")),
    ("year years yearly annual annually", ("365", "4")),
    ("january march may july august october december", ("31",)),
    ("april june september november", ("30",)),
    ("february", ("28", "29")),
    ("day days daily hour hours hourly", ("24",)),
    ("hour hours hourly minute minutes min mins hr hrs second seconds sec secs mph speed clock o'clock",
     ("60",)),
    ("hour hours second seconds", ("3600",)),
    ("decade decades", ("10",)),
    ("century centuries", ("100",)),
    ("cent cents penny pennies dollar dollars $ ¢ % percent percentage percentages", ("100",)),
    ("quarter quarters dollar dollars $ coin coins", ("25", "4", "0.25")),
    ("dime dimes coin coins", ("10", "0.10")),
    ("nickel nickels coin coins", ("5", "0.05", "20")),
    ("penny pennies cent cents coin coins", ("0.01",)),
    ("dozen dozens", ("12",)),
    ("foot feet inch inches ft", ("12",)),
    ("yard yards foot feet", ("3",)),
    ("yard yards inch inches", ("36",)),
    ("mile miles foot feet", ("5280",)),
    ("mile miles yard yards", ("1760",)),
    ("pound pounds ounce ounces lb lbs oz", ("16",)),
    ("ton tons pound pounds", ("2000",)),
    ("gallon gallons quart quarts", ("4",)),
    ("gallon gallons cup cups", ("16",)),
    ("gallon gallons pint pints", ("8",)),
    ("pint pints cup cups quart quarts tablespoon tablespoons", ("2", "4")),
    ("cup cups ounce ounces", ("8",)),
    ("teaspoon teaspoons tablespoon tablespoons", ("3",)),
    ("kilometer kilometers kilometre kilometres km kilogram kilograms kg gram grams liter liters litre "
     "litres ml milliliter milliliters meter meters metre metres thousand", ("1000",)),
    ("meter meters metre metres cm centimeter centimeters centimetre centimetres", ("100",)),
    ("cm centimeter centimeters mm millimeter millimeters", ("10",)),
    ("pair pairs couple couples twin twins both two-way round roundtrip back half halves double twice "
     "average midpoint each-way", ("2",)),
    ("triplet triplets triple thrice", ("3",)),
    ("half halves", ("0.5",)),
    ("square rectangle rectangular sides", ("4", "2")),
    ("triangle triangular", ("3", "2", "180")),
    ("cube cubes cubic", ("3", "6", "12")),
    ("pentagon", ("5",)),
    ("hexagon", ("6",)),
    ("octagon", ("8",)),
    ("circle degrees degree", ("360", "180", "90")),
    ("die dice", ("6",)),
)  # fmt: skip

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[$¢%]")
_BY_WORD: dict[str, frozenset[Fraction]] = {}
for _words, _values in _TABLE:
    for _word in _words.split():
        _BY_WORD[_word] = _BY_WORD.get(_word, frozenset()) | {Fraction(value) for value in _values}


def constants_called_by(texts: Iterable[str]) -> frozenset[Fraction]:
    """Constants that the unit words of `texts` call for, and the number 1."""
    called = {Fraction(1)}
    for text in texts:
        for word in _WORD.findall(text.lower()):
            called |= _BY_WORD.get(word, frozenset())
    return frozenset(called)
