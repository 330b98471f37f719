"""A student's habits of notation in words, for a model that is to write as the student does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from shared.domain import StudentProfile
from shared.text.notation import Notation, from_pairs, observe

_CONTRARY = Notation(
    times="x",
    divide="÷",
    spaced=False,
    equals_spaced=False,
    notes=True,
    currency_inside=True,
    grouped=True,
    connector="-",
    marker_before="-",
    marker_after="-",
    numbered=True,
    terminal="-",
    answer="-",
)
"""Differs from `Notation()` everywhere: what comes out the same with either as fallback was observed."""


def habit_lines(steps: Sequence[str], profile: StudentProfile | None) -> list[str]:
    """One sentence a habit: as these steps show it, else as the profile does; none without evidence."""
    base = from_pairs(profile.notation) if profile and profile.notation else Notation()
    shown = observe([steps], base)
    known = {field.name for field in fields(Notation)}
    if not (profile and profile.notation):
        other = observe([steps], _CONTRARY)
        known = {name for name in known if getattr(shown, name) == getattr(other, name)}
    return [line for name, line in _sentences(shown) if name in known]


def _sentences(habits: Notation) -> list[tuple[str, str]]:
    around = "with" if habits.spaced else "without"
    equals = "with" if habits.equals_spaced else "without"
    sentences = [
        ("times", f"The sign of multiplication is {habits.times}"),
        ("divide", f"The sign of division is {habits.divide}"),
        ("spaced", f"Operators stand {around} a space on either side"),
        ("equals_spaced", f"The equals sign stands {equals} a space on either side"),
        ("grouped", f"Thousands are {'' if habits.grouped else 'not '}separated by commas"),
        ("terminal", f"A step ends {'with' if habits.terminal else 'without'} a full stop"),
    ]
    if habits.notes:
        sentences.append(("notes", "Every calculation is repeated in a note like <<3+4=7>>"))
    if habits.currency_inside:
        sentences.append(("currency_inside", "Currency signs stand at operands too"))
    if habits.connector:
        sentences.append(("connector", f'A step that concludes begins with "{habits.connector}"'))
    return sentences
