"""A score line: what any text costs a student, from one solution or one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain import NativeBand, Step, TokenScores
from shared.errors import FieldError, IntegrityError
from shared.jsonl import JsonObject
from shared.ports import Scorer, ScoreRequest
from shared.record import SCHEMA, native_trajectory, refined_steps, validate
from shared.shapes import Reading, to_trajectory
from shared.style import cost, drift, finite, loss, quarter_losses, rank_surprisal_ratio, step_styles

Pair = tuple[TokenScores, TokenScores]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who scores. `student` is the profile's id and `band` its native band, None without a profile."""

    engine: Scorer
    student: str | None = None
    band: NativeBand | None = None


@dataclass(frozen=True, slots=True)
class Scorable:
    """One line to score.

    Attributes:
        native: the student's own text. steps: of the text that the line's figures are about.
        refined: the refined text, None where the line holds a solution and no record.
        outcome: that of the record.
    """

    id: str
    line: int
    problem: str
    native: str
    steps: tuple[Step, ...]
    refined: str | None = None
    outcome: str | None = None

    @property
    def text(self) -> str:
        """The text that the line's figures are about: the refined one, where there is one."""
        return self.native if self.refined is None else self.refined


def to_scorable(item: JsonObject, line: int, reading: Reading) -> Scorable:
    """A solution or a record as it is scored; FieldError names what can't be used."""
    schema = item.get("schema")
    if isinstance(schema, str) and schema.startswith("idiolect.record/"):
        return _of_record(item, line)
    trajectory = to_trajectory(item, line, reading)
    return Scorable(trajectory.id, line, trajectory.problem.text, trajectory.text, trajectory.steps)


def _of_record(item: JsonObject, line: int) -> Scorable:
    if item["schema"] != SCHEMA:
        raise FieldError("schema", f"isn't {SCHEMA}", "score a file that this idiolect refine wrote")
    try:
        validate(item)
    except (IntegrityError, ValueError) as error:
        raise FieldError("line", f"is no whole record ({error})", "refine it again") from None
    native = native_trajectory(item)
    refined, outcome = item["refined"]["text"], item["outcome"]
    return Scorable(native.id, line, native.problem.text, native.text, refined_steps(item), refined, outcome)


def score_line(
    speaker: Speaker, item: Scorable, native: TokenScores, scores: TokenScores, *, tokens: bool
) -> dict[str, Any]:
    """The line of one item, JSON-ready; `tokens` adds span, surprisal and rank of every token."""
    band = speaker.band
    line: dict[str, Any] = {
        "id": item.id,
        "line": item.line,
        "student": speaker.student,
        "scorer": speaker.engine.info.name,
        "label": speaker.engine.info.label,
        **_figures(scores),
        "steps": [
            {"index": step.index, "nll": step.nll, "tokens": step.tokens}
            for step in step_styles(scores, item.steps)
        ],
        "cost": None if band is None else finite(cost(scores, len(native.spans), band)),
        **(_token_scores(scores) if tokens else {}),
    }
    if item.refined is not None:
        line["outcome"] = item.outcome
        line["drift"] = finite(drift(native, scores)) if item.refined != item.native else 0.0
        line["native"] = {**_figures(native), **(_token_scores(native) if tokens else {})}
    return line


def score_pairs(engine: Scorer, chunk: Sequence[Scorable]) -> list[Pair]:
    """(native, asked for) of every item; a text that is both is scored once."""
    requests = [ScoreRequest(item.problem, text) for item in chunk for text in (item.native, item.text)]
    different = list(dict.fromkeys(requests))
    known = dict(zip(different, engine.score(different), strict=True))
    return [(known[native], known[text]) for native, text in zip(requests[::2], requests[1::2], strict=True)]


def _figures(scores: TokenScores) -> dict[str, Any]:
    total = loss(scores.surprisals)
    return {
        "nll": total.nll,
        "tokens": total.tokens,
        "ppl": finite(total.perplexity),
        "quarters": [finite(part.perplexity) for part in quarter_losses(scores.surprisals)],
        "rsr": finite(rank_surprisal_ratio(scores)),
    }


def _token_scores(scores: TokenScores) -> dict[str, Any]:
    triples = zip(scores.spans, scores.surprisals, scores.ranks, strict=True)
    return {"token_scores": [[span.start, span.end, s, rank] for span, s, rank in triples]}
