"""The pieces of a native text that the gate is calibrated on: its steps, and short stretches within them."""

from __future__ import annotations

import re
import zlib

from services.student.lexis import TOKEN
from shared.domain import Span
from shared.text.notation import answer_phrase
from shared.text.segmentation import segment

_BOXED = re.compile(
    r"\A\s*(?:#+ *(?:Final )?Answer\b.*|\$?\\?\[?\s*\\boxed\{.*\}\.?\s*\\?\]?\$?)\s*\Z", re.DOTALL
)
# An answer line says the answer and no more; a longer last step reasons, too.
_ANSWER_WORDS = 8


def step_spans(text: str) -> tuple[Span, ...]:
    """Spans of the steps of a solution, white space around them left out."""
    return tuple(step.span for step in segment(text))


def is_answer_line(step: str) -> bool:
    """Whether a step does nothing but state the final answer ("#### 18", "The answer is 18.")."""
    if _BOXED.match(step):
        return True
    phrase = answer_phrase(step)
    return (
        phrase is not None and len(step.split()) <= _ANSWER_WORDS and step.lstrip().startswith(phrase.strip())
    )


def reasoning_spans(text: str) -> tuple[Span, ...]:
    """Spans of the steps that reason: all but a last step that only states the answer."""
    spans = step_spans(text)
    if spans and is_answer_line(spans[-1].of(text)):
        return spans[:-1]
    return spans


def short_windows(text: str) -> tuple[Span, ...]:
    """Stretches of one, of two or three, and of four to six tokens, at places given by the text's hash.

    Small edits (a number, a sign and a number) are as short as these.
    """
    ends = [found.end() for found in TOKEN.finditer(text)]
    starts = [0, *ends]
    seed = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    found: list[Span] = []
    for salt, lengths in enumerate(((1,), (2, 3), (4, 5, 6))):
        length = lengths[seed % len(lengths)]
        if length <= len(ends):
            first = zlib.crc32(bytes([salt]), seed) % (len(ends) - length + 1)
            found.append(Span(starts[first], ends[first + length - 1]))
    return tuple(found)
