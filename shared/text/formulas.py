r"""Finds the stretches of a text that must stay in one piece: formulas, calculator notes, code fences.

Known are ``$..$``, ``$$..$$``, ``\(..\)``, ``\[..\]``, ``\begin{..}..\end{..}``, ``<<..>>`` and fences of
three back-ticks. A dollar sign may also be money, which `_is_inline_formula` tells apart. One pass over the
text and one over its delimiters, so the time is linear in the length of the text, whatever it holds.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from shared.domain import Span

LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

_DELIMITER = re.compile(
    r"\\begin\{(?P<begin>[A-Za-z]{1,32}\*?)\}|\\end\{(?P<end>[A-Za-z]{1,32}\*?)\}"
    r"|\\[\[\]()]|\\.|\$\$|\$|<<|>>|```",
    re.DOTALL,
)
_BLANK_LINE = re.compile(
    r"(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])[ \t]*+(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])"
)
_PAIRS = {r"\[": r"\]", r"\(": r"\)", "<<": ">>"}
_OPENER_OF = {closer: opener for opener, closer in _PAIRS.items()}
_TOGGLES = ("$$", "```")
_PROSE_ENVIRONMENTS = re.compile(
    r"document|itemize|enumerate|description|center|quote|quotation|proof|solution|problem|abstract"
    r"|flushleft|flushright|theorem|lemma|remark|example"
)
_LONGEST_NOTE = 500
_PROSE_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{3,}")
_MATHS_SIGN = re.compile(r"[\\^_=+*/<>{}|]")


@dataclass(frozen=True, slots=True)
class Formula:
    """A stretch that must not be cut; `display` where it stands in a block of its own."""

    span: Span
    display: bool


@dataclass(frozen=True, slots=True)
class _Delimiter:
    start: int
    end: int
    mark: str
    name: str


@dataclass(slots=True)
class _Matching:
    """Which closing delimiter belongs to which opening one, by their positions in the list."""

    close_of: dict[int, int] = field(default_factory=dict)
    unclosed: set[int] = field(default_factory=set)


def find_formulas(text: str) -> tuple[Formula, ...]:
    """The outermost uncuttable stretches of `text`, ascending and disjoint."""
    delimiters = [_delimiter(match) for match in _DELIMITER.finditer(text)]
    if not delimiters:
        return ()
    blanks = [match.start() for match in _BLANK_LINE.finditer(text)]
    matching = _match_delimiters(text, delimiters)
    dollars = _next_dollars(delimiters)
    found: list[Formula] = []
    index = 0
    while index < len(delimiters):
        opener = delimiters[index]
        closer = matching.close_of.get(index)
        if closer is None and opener.mark == "$":
            closer = _inline_closer(text, delimiters, index, dollars[index], blanks)
        if closer is not None:
            found.append(Formula(Span(opener.start, delimiters[closer].end), _is_display(opener)))
            index = closer + 1
        elif index in matching.unclosed:
            end = _paragraph_end(opener.end, blanks, len(text))
            found.append(Formula(Span(opener.start, end), _is_display(opener)))
            index = _first_from(delimiters, index, end)
        else:
            index += 1
    return tuple(found)


def _delimiter(match: re.Match[str]) -> _Delimiter:
    name = match["begin"] or match["end"] or ""
    mark = r"\begin" if match["begin"] else r"\end" if match["end"] else match[0]
    return _Delimiter(match.start(), match.end(), mark, name)


def _is_display(opener: _Delimiter) -> bool:
    return opener.mark in (r"\[", "$$", r"\begin", "```")


def _match_delimiters(text: str, delimiters: list[_Delimiter]) -> _Matching:
    """Everything but the single dollar, whose meaning depends on what it encloses."""
    matching = _Matching()
    open_at: dict[str, int] = {}
    for index, delimiter in enumerate(delimiters):
        mark = delimiter.mark
        if mark in _PAIRS or (mark in _TOGGLES and mark not in open_at):
            open_at[mark] = index
        elif mark in _TOGGLES:
            matching.close_of[open_at.pop(mark)] = index
        elif mark in _OPENER_OF and _OPENER_OF[mark] in open_at:
            opener = open_at.pop(_OPENER_OF[mark])
            if mark != ">>" or _is_note(text, delimiters[opener].end, delimiter.start):
                matching.close_of[opener] = index
    matching.unclosed = {index for mark, index in open_at.items() if mark not in ("<<", "```")}
    _match_environments(delimiters, matching)
    return matching


def _is_note(text: str, start: int, end: int) -> bool:
    """A calculator note is short and stands on one line."""
    return end - start <= _LONGEST_NOTE and not LINE_BREAK.search(text, start, end)


def _match_environments(delimiters: list[_Delimiter], matching: _Matching) -> None:
    stack: list[int] = []
    waiting: dict[str, int] = {}
    for index, delimiter in enumerate(delimiters):
        name = delimiter.name
        if not name or _PROSE_ENVIRONMENTS.fullmatch(name):
            continue
        if delimiter.mark == r"\begin":
            stack.append(index)
            waiting[name] = waiting.get(name, 0) + 1
        elif waiting.get(name):
            matching.close_of[_pop_to(name, stack, waiting, delimiters)] = index
    matching.unclosed.update(stack[:1])


def _pop_to(name: str, stack: list[int], waiting: dict[str, int], delimiters: list[_Delimiter]) -> int:
    while True:
        index = stack.pop()
        waiting[delimiters[index].name] -= 1
        if delimiters[index].name == name:
            return index


def _next_dollars(delimiters: list[_Delimiter]) -> list[int | None]:
    """For every delimiter the position of the next single dollar after it."""
    following: list[int | None] = [None] * len(delimiters)
    upcoming: int | None = None
    for index in range(len(delimiters) - 1, -1, -1):
        following[index] = upcoming
        if delimiters[index].mark == "$":
            upcoming = index
    return following


def _inline_closer(
    text: str, delimiters: list[_Delimiter], index: int, closer: int | None, blanks: list[int]
) -> int | None:
    if closer is None:
        return None
    start, end = delimiters[index].end, delimiters[closer].start
    if _paragraph_end(start, blanks, len(text)) < end:
        return None
    following = text[end + 1 : end + 2]
    return closer if _is_inline_formula(text[start:end], following) else None


def _is_inline_formula(content: str, following: str) -> bool:
    """Whether two dollars enclose a formula, and are not two amounts of money.

    Money is a number right after the first dollar with prose, or a blank, before the second one; or a
    second dollar with a number right after it.
    """
    if not content.strip():
        return False
    amount = content[0].isdigit() or content.startswith((".", "<<"))
    if amount and (content[-1].isspace() or following.isdigit() or following == "<"):
        return False
    if following.isdigit() and "\\" not in content:
        return False
    if amount and "\\" not in content and _PROSE_WORD.search(content):
        return False
    return bool(_MATHS_SIGN.search(content)) or len(_PROSE_WORD.findall(content)) < 4


def _paragraph_end(position: int, blanks: list[int], length: int) -> int:
    at = bisect_left(blanks, position)
    return blanks[at] if at < len(blanks) else length


def _first_from(delimiters: list[_Delimiter], index: int, position: int) -> int:
    while index < len(delimiters) and delimiters[index].start < position:
        index += 1
    return index
