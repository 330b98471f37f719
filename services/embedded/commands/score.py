"""``idiolect score``: what any text costs a student, token by token if asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from services.embedded.commands.profile import read_samples, scorer_kind

if TYPE_CHECKING:
    from shared.domain import NativeBand, TokenScores, Trajectory
    from shared.ports import Scorer
    from shared.style import CorpusStyle

BAD_LINES = 3
_AT_ONCE = 64


def command(
    trajectories: Annotated[Path, typer.Argument(metavar="IN.jsonl", help="Solutions to score.")],
    profile: Annotated[
        Path | None, typer.Option("--profile", help="Folder of the student's profile.")
    ] = None,
    scorer: Annotated[
        str, typer.Option("--scorer", help="Without a profile: proxy (fitted on this file) or transformers.")
    ] = "proxy",
    model: Annotated[
        str | None, typer.Option("--model", help="Folder, GGUF file or hub name for transformers.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write the lines; default stdout.")
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Add span, surprisal and rank of every token.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the file's figures as one line of JSON, and nothing else.")
    ] = False,
) -> None:
    """Score each solution: nll (nats), tokens, ppl, quarters, steps, rsr and, with a profile, cost.

    Writes one line of JSON a solution, and the token-weighted figures of the file. Lines that can't be read
    or scored are named on stderr and make the exit code 3.
    """
    from shared.style import CorpusStyle

    engine, student, band = _engine(trajectories, profile, scorer, model)
    corpus = CorpusStyle()
    with ExitStack() as stack:
        source = stack.enter_context(trajectories.open("rb"))
        sink = stack.enter_context(output.open("wb")) if output else None if as_json else sys.stdout.buffer
        writer = _Writer(engine, student, band, tokens, corpus, sink)
        writer.write_all(source)
    _tell(corpus, engine, band, writer.bad, as_json)
    if writer.bad:
        raise typer.Exit(BAD_LINES)


def _engine(
    file: Path, profile: Path | None, scorer: str, model: str | None
) -> tuple[Scorer, str | None, NativeBand | None]:
    """The scorer, the profile's id and its band."""
    from services.student.profile import fit_student, load_student

    if profile is not None:
        loaded = load_student(profile)
        return loaded.scorer, loaded.profile.id, loaded.profile.band
    if scorer_kind(scorer) == "transformers":
        from services.student.engines.transformers import TransformersScorer

        return TransformersScorer.load(model), None, None
    with file.open("rb") as stream:
        fitted = fit_student(file.stem, read_samples(stream))
    return fitted.scorer, fitted.profile.id, fitted.profile.band


class _Writer:
    """Scores in chunks and writes line by line."""

    def __init__(
        self,
        engine: Scorer,
        student: str | None,
        band: NativeBand | None,
        tokens: bool,
        corpus: CorpusStyle,
        sink: BinaryIO | None,
    ) -> None:
        self.bad = 0
        self._engine, self._student, self._band = engine, student, band
        self._tokens, self._corpus, self._sink = tokens, corpus, sink

    def write_all(self, source: BinaryIO) -> None:
        readable = self._readable(source)
        while chunk := list(islice(readable, _AT_ONCE)):
            for trajectory, scores in self._scored(chunk):
                self._corpus.add(scores, self._band)
                if self._sink is not None:
                    self._write(self._sink, trajectory, scores)

    def _readable(self, source: BinaryIO) -> Iterator[Trajectory]:
        from shared.jsonl import BadLine
        from shared.shapes import read_trajectories

        for item in read_trajectories(source):
            if isinstance(item, BadLine):
                self._refuse(item.line, item.reason)
            else:
                yield item

    def _scored(self, chunk: list[Trajectory]) -> Iterable[tuple[Trajectory, TokenScores]]:
        """The chunk in one call; item by item where one of them can't be scored."""
        from shared.errors import FieldError
        from shared.ports import ScoreRequest

        requests = [ScoreRequest(item.problem.text, item.text) for item in chunk]
        try:
            return list(zip(chunk, self._engine.score(requests), strict=True))
        except FieldError as error:
            if len(chunk) > 1:
                return [pair for item in chunk for pair in self._scored([item])]
            self._refuse(chunk[0].line, str(error))
            return []

    def _refuse(self, line: int, reason: str) -> None:
        self.bad += 1
        typer.echo(f"line {line}: {reason}", err=True)

    def _write(self, sink: BinaryIO, trajectory: Trajectory, scores: TokenScores) -> None:
        from shared.jsonl import dump_line

        sink.write(dump_line(self._line(trajectory, scores)))

    def _line(self, trajectory: Trajectory, scores: TokenScores) -> dict[str, Any]:
        from shared.style import cost, finite, loss, quarter_losses, rank_surprisal_ratio, step_styles

        total = loss(scores.surprisals)
        over = None if self._band is None else finite(cost(scores, total.tokens, self._band))
        line: dict[str, Any] = {
            "id": trajectory.id,
            "line": trajectory.line,
            "student": self._student,
            "scorer": self._engine.info.name,
            "label": self._engine.info.label,
            "nll": total.nll,
            "tokens": total.tokens,
            "ppl": finite(total.perplexity),
            "quarters": [finite(part.perplexity) for part in quarter_losses(scores.surprisals)],
            "steps": [
                {"index": step.index, "nll": step.nll, "tokens": step.tokens}
                for step in step_styles(scores, trajectory.steps)
            ],
            "rsr": finite(rank_surprisal_ratio(scores)),
            "cost": over,
        }
        if self._tokens:
            triples = zip(scores.spans, scores.surprisals, scores.ranks, strict=True)
            line["token_scores"] = [[span.start, span.end, s, rank] for span, s, rank in triples]
        return line


def _tell(corpus: CorpusStyle, engine: Scorer, band: NativeBand | None, bad: int, as_json: bool) -> None:
    from shared.style import finite

    tokens = corpus.total.tokens
    figures = {
        "n": corpus.texts,
        "bad_lines": bad,
        "scorer": engine.info.name,
        "label": engine.info.label,
        "tokens": tokens,
        "ppl": finite(corpus.perplexity),
        "quarters": [finite(part.perplexity) for part in corpus.quarters],
        "rsr": finite(corpus.rsr),
        "cost": corpus.excess / tokens if band is not None and tokens else None,
    }
    if as_json:
        typer.echo(json.dumps(figures))
    else:
        typer.echo("\n".join(f"{key:10} {value}" for key, value in figures.items()), err=True)
