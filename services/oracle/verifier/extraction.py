"""Where a solution states its final answer.

The last explicit statement counts: a box, ``#### x``, a line ``A: x``, "the answer is x". Failing that, a
text that is nothing but an answer is one; failing that, the result of the last line that has a number.
Nothing is evaluated here, and the work is bounded: where a pattern could take the square of its input, it
sees a window only.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)|\\boxed\s+(?=\S)")
_HASH = re.compile(r"####[ \t]*(?P<tail>[^\n]*)")
_WORDS = r"(?:answer|réponse|respuesta|antwort|答案)"
_LINE = re.compile(
    rf"^[ \t*#>]*(?:(?:the[ \t]+)?(?:final[ \t]+|correct[ \t]+)?{_WORDS}|a|ans|solution|result)"
    r"[ \t*]*[:：][ \t*]*"
    r"(?P<tail>[^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_PHRASE = re.compile(
    rf"{_WORDS}(?:[^\n.:：=]{{0,60}}?(?:\bis\b|\best\b|\bes\b|\bist\b)|[ \t*]*[:：=]|[ \t]*(?:是|为|為))"
    r"[ \t*:：]*"
    r"(?P<tail>[^\n]*)",
    re.IGNORECASE,
)
_MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])[-−]?(?:\\?\$|[€£¥₹])?[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:(?<=\d)\.(?=\d)|(?<!\d)\.(?=\d))?\d+"
    r"(?:\s*/\s*\d+)?(?:\s*\\?%)?"
)
_SENTENCE_END = re.compile(r"(?:\.|(?<=[a-z]{2})!|\?)(?=\s|$)|。")
_BETWEEN_BOXES = re.compile(
    r"(?:\\(?:quad|qquad|text|,|;|\)|\(|\]|\[)|and|or|for|part|\([a-z]\)|[\s$,;.{}&])*", re.IGNORECASE
)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{4,}")
_NO_FORMULA = re.compile(r"(?<![A-Za-z\\{])[A-Za-z]{3,}|[-+*/=,;\s]\Z(?<!\s\s)")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_CALCULATOR_NOTE = re.compile(r"<<[^<>\n]*>>")
_ARITHMETIC = re.compile(r"(?=.*\d)[\d\s.,$+*/×÷()=-]+")
_STRESSED = re.compile(r"\*\*\$?([-−]?[\d.,/]*\d)[^*\n\d]{0,20}\*\*")
_LONGEST_BARE = 120
_WINDOW = 2000
_STATEMENTS_TRIED = 40
_LINES_TRIED = 200
_BOXES_JOINED = 32


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """The answer as written, and which kind of statement it was found in.

    `how` is ``boxed``, ``hash``, ``line``, ``phrase``, ``bare``, ``last_formula`` or
    ``last_number``.
    """

    text: str
    how: str


@dataclass(frozen=True, slots=True)
class _Statement:
    start: int
    answer: FinalAnswer


def final_answer(text: str) -> FinalAnswer | None:
    """The final answer that `text` states, or None where it states none."""
    text = _CALCULATOR_NOTE.sub("", text)
    boxed = _boxed(text)
    stated = [s for s in (boxed, *_marked(text, strict=boxed is not None)) if s is not None]
    if stated:
        return max(stated, key=lambda s: s.start).answer
    return _bare(text) or _last_number(text)


def _marked(text: str, strict: bool) -> Iterator[_Statement]:
    """The last usable statement of each kind; `strict` refuses prose without a formula or figure."""
    for how, pattern in (("hash", _HASH), ("line", _LINE), ("phrase", _PHRASE)):
        for match in reversed(deque(pattern.finditer(text), maxlen=_STATEMENTS_TRIED)):
            answer = _from_tail(match["tail"], strict or how == "phrase")
            if answer:
                yield _Statement(match.start(), FinalAnswer(answer, how))
                break


def _from_tail(tail: str, strict: bool) -> str | None:
    sentence = _first_sentence(tail).strip().strip("*").strip()
    told_again = _PHRASE.search(sentence[:_WINDOW])
    if told_again:
        return _from_tail(sentence[told_again.start("tail") :], strict)
    if not sentence or len(sentence) > _WINDOW:
        return sentence or None
    words = len(re.findall(r"[^\W\d_]{2,}", _MATH.sub(" ", sentence)))
    if words <= 3:
        usable = not strict or len(sentence) <= _LONGEST_BARE
        return sentence if usable else None
    return _from_prose(sentence) or (None if strict else sentence)


def _from_prose(sentence: str) -> str | None:
    """The formula, the result or the first figure of a sentence that tells the answer."""
    formulas = _formulas(sentence)
    if formulas:
        return formulas[-1]
    _, equals, right = sentence.rpartition("=")
    number = _NUMBER.search(right if equals else sentence)
    return number.group().strip() if number else None


def _formulas(line: str) -> list[str]:
    """What stands between math delimiters; two prices in one line are no formula."""
    found = (next(part for part in groups if part) for groups in _MATH.findall(line))
    return [str(part).strip() for part in found if not _NO_FORMULA.search(part)]


def _first_sentence(tail: str) -> str:
    """`tail` up to the first full stop outside a formula; all of it where none is near."""
    window = tail[:_WINDOW]
    covered = [match.span() for match in _MATH.finditer(window)]
    for stop in _SENTENCE_END.finditer(window):
        if not any(start < stop.start() < end for start, end in covered):
            return tail[: stop.start()]
    return tail


def _boxed(text: str) -> _Statement | None:
    """The last box, joined with the boxes right before it when only separators stand between them."""
    boxes = deque(_BOX.finditer(text), maxlen=_BOXES_JOINED)
    if not boxes:
        return None
    start, contents = boxes[-1].start(), [_content(text, boxes[-1].end())[0]]
    for box in list(boxes)[-2::-1]:
        content, end = _content(text, box.end())
        between = text[end:start]
        if end > start or len(between) > 60 or not _BETWEEN_BOXES.fullmatch(between):
            break
        if content not in contents:
            contents.insert(0, content)
        start = box.start()
    answer = ", ".join(part for part in contents if part)
    return _Statement(boxes[-1].start(), FinalAnswer(answer, "boxed")) if answer else None


def _content(text: str, opening: int) -> tuple[str, int]:
    """What a box holds and where it ends; an unclosed box holds the rest of its line."""
    if text[opening] != "{":
        token = text[opening:].split(maxsplit=1)[0].rstrip(".$")
        return token, opening + len(token)
    depth = 0
    for match in _BRACE.finditer(text, opening):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return text[opening + 1 : match.start()].strip(), match.end()
    line = text[opening + 1 :].split("\n", 1)[0]
    return line.strip(), opening + 1 + len(line)


def _bare(text: str) -> FinalAnswer | None:
    """`text` itself where it is one short line that isn't a sentence."""
    line = text.strip()
    if not line or "\n" in line or _UNSPACED.search(line[:_WINDOW]):
        return None
    prose = re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[A-Za-z]+", " ", line))
    if len(line) > _LONGEST_BARE and (prose or " " in line):
        return None
    left, equals, _ = line.rpartition("=")
    equation = equals and (len(prose) > 1 or _ARITHMETIC.fullmatch(left))
    return FinalAnswer(line, "bare") if len(prose) <= 3 and not equation else None


def _last_number(text: str) -> FinalAnswer | None:
    """The result of the last line with a number: after its last ``=``, else its last formula or number."""
    for line in text.splitlines()[: -_LINES_TRIED - 1 : -1]:
        line = line[-_WINDOW:]
        stressed = _STRESSED.findall(line)
        if stressed:
            return FinalAnswer(stressed[-1], "last_number")
        formulas = [formula for formula in _formulas(line) if any(map(str.isdigit, formula))]
        if formulas:
            return FinalAnswer(formulas[-1], "last_formula")
        left, _, right = line.rpartition("=")
        for part in (right, left):
            found = _number_in(part, first="=" in line)
            if found:
                return FinalAnswer(found, "last_number")
    return None


def _number_in(part: str, first: bool) -> str | None:
    numbers = [match.group().strip() for match in _NUMBER.finditer(part)]
    if not numbers:
        return None
    return numbers[0] if first else numbers[-1]
