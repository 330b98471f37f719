"""The pieces of a native text that the gate is calibrated on: its steps, and short stretches within them."""

from __future__ import annotations

import re

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
