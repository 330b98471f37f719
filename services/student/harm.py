"""Edits that are known to harm a student: self-talk removed, sub-conclusions reordered (arXiv 2510.11545).

They are the negative controls of a check of style: every word that remains is the student's own, so no span
is foreign, and the check must see them all the same.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.student.engines.proxy import ProxyScorer
from services.student.evaluation import half_of, paired_auroc
from services.student.habits import HabitCheck, neighbours
from services.student.pieces import reasoning_spans, step_spans
from shared.domain import Span
from shared.errors import InputError
from shared.text.formulas import find_formulas
from shared.text.sentences import sentence_spans

LEAST_SAMPLES = 30
_SELF_TALK = re.compile(
    r"\b(?:(?i:wait|hm+|oh|okay|ok|right|alright|well|yes|no|maybe|perhaps|actually|alternatively|let me"
    r"|let's|let us|so what|why|good|great|sure|see)|I|I'm|I'll|I've)\b"
)
# The step's own number stays with its place.
_MARKER = re.compile(r"\s*(?:Step )?\d+[.:)]\s+")
Sample = tuple[str, str]
Edited = tuple[str, Span]
Edit = Callable[[str], Edited | None]
Seen = tuple[float, float, bool, bool]


@dataclass(frozen=True, slots=True)
class Harm:
    """How well one kind of edit is seen.

    Attributes:
        texts: edited texts. auroc: how often the edited text is the stranger of the two (ties half).
        flagged, flagged_native: shares flagged of the edited texts and of the same texts unedited.
    """

    texts: int
    auroc: float
    flagged: float
    flagged_native: float


def without_self_talk(text: str) -> Edited | None:
    """The text without the sentences in which the student talks to itself; None where there are none.

    Sentences that compute something stay; a step of which nothing is left goes with its marker.
    """
    kept: list[str] = []
    removed = False
    for step in step_spans(text):
        marker, body = _split(step.of(text))
        spans = sentence_spans(body, Span(0, len(body)), find_formulas(body))
        sentences = [span.of(body) for span in spans]
        plain = [sentence for sentence in sentences if not _is_self_talk(sentence)]
        removed = removed or len(plain) < len(sentences)
        if plain:
            kept.append(marker + " ".join(plain))
    joined = ("\n\n" if "\n\n" in text else "\n" if "\n" in text else " ").join(kept)
    return (joined, Span(0, len(joined))) if removed and joined else None


def reordered(text: str) -> Edited | None:
    """The text with two successive steps exchanged, at a place given by its hash; None for fewer than two.

    Markers such as "Step 3." stay where they are, so numbering doesn't give the exchange away.
    """
    stretches = neighbours(text)
    if not stretches:
        return None
    whole = stretches[zlib.crc32(text.encode("utf-8", "surrogatepass")) % len(stretches)]
    first, second = (span for span in reasoning_spans(text) if whole.start <= span.start < whole.end)
    (mark, one), (next_mark, two) = _split(first.of(text)), _split(second.of(text))
    swapped = mark + two + text[first.end : second.start] + next_mark + one
    changed = text[: whole.start] + swapped + text[whole.end :]
    return changed, Span(whole.start, whole.start + len(swapped))


def evaluate_harm(samples: Sequence[Sample], alpha: float) -> dict[str, Harm]:
    """Fit on the texts of one half of the problems, edit those of the other, and the other way round.

    Removed self-talk is looked for in whole texts, exchanged steps in the stretch that was edited. Raises
    InputError where no half has thirty texts.
    """
    seen: dict[str, list[Seen]] = {"self_talk_removed": [], "steps_reordered": []}
    for half in (0, 1):
        fitting = [sample for sample in samples if half_of(sample[0]) != half]
        unseen = [sample for sample in samples if half_of(sample[0]) == half]
        if len(fitting) < LEAST_SAMPLES:
            raise InputError(f"{len(fitting)} texts in a half are too few; give at least {2 * LEAST_SAMPLES}")
        proxy = ProxyScorer(fitting)
        texts = HabitCheck.of_texts(proxy, fitting, alpha)
        order = HabitCheck.of_neighbours(proxy, fitting, alpha)
        seen["self_talk_removed"] += _compare(texts, unseen, without_self_talk, whole=True)
        seen["steps_reordered"] += _compare(order, unseen, reordered, whole=False)
    return {name: _summary(rows) for name, rows in seen.items()}


def _split(step: str) -> tuple[str, str]:
    marker = _MARKER.match(step)
    return (marker.group(), step[marker.end() :]) if marker else ("", step)


def _is_self_talk(sentence: str) -> bool:
    return "=" not in sentence and _SELF_TALK.search(sentence) is not None


def _compare(check: HabitCheck, samples: Sequence[Sample], edit: Edit, *, whole: bool) -> Iterator[Seen]:
    """Statistics of native and edited text, and whether each is flagged."""
    for problem, text in samples:
        edited = edit(text)
        if edited is None:
            continue
        changed, span = edited
        # An exchange keeps the length, so the same stretch is compared before and after.
        before = check.statistic(problem, text, Span(0, len(text)) if whole else span)
        after = check.statistic(problem, changed, span)
        yield before, after, before > check.threshold, after > check.threshold


def _summary(rows: Sequence[Seen]) -> Harm:
    count = len(rows)
    auroc = paired_auroc([row[0] for row in rows], [row[1] for row in rows])
    native, edited = (sum(row[side] for row in rows) / count if count else float("nan") for side in (2, 3))
    return Harm(count, auroc, edited, native)
