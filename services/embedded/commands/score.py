"""``idiolect score``: what any text costs a student, token by token if asked."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.embedded.commands.profile import scorer_kind

if TYPE_CHECKING:
    from services.embedded.scoring import FileStyle
    from services.pipeline.scoring import Speaker

BAD_LINES = 3

_Source = Annotated[
    Path, typer.Argument(metavar="IN.jsonl", help="Solutions, or records of refine; - reads stdin.")
]
_Profile = Annotated[Path | None, typer.Option("--profile", help="Folder of the student's profile.")]
_Scorer = Annotated[
    str | None,
    typer.Option("--scorer", help="Without a profile: proxy (default, fitted on this file) or transformers."),
]
_Model = Annotated[
    str | None, typer.Option("--model", help="Folder, GGUF file or hub name for --scorer transformers.")
]
_Author = Annotated[
    str | None, typer.Option("--author", help="Whose text to take, where a line holds several authors'.")
]
_Limit = Annotated[int | None, typer.Option("--limit", min=0, help="Read no further than this line.")]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where to write the lines; default stdout.")
]
_Tokens = Annotated[bool, typer.Option("--tokens", help="Add span, surprisal and rank of every token.")]
_Top = Annotated[int, typer.Option("--top", min=0, help="Rows of each table of tokens, for records.")]
_AsJson = Annotated[
    bool, typer.Option("--json", help="Print the file's figures as one line of JSON, and nothing else.")
]


def command(
    source: _Source,
    profile: _Profile = None,
    scorer: _Scorer = None,
    model: _Model = None,
    author: _Author = None,
    limit: _Limit = None,
    output: _Output = None,
    tokens: _Tokens = False,
    top: _Top = 20,
    as_json: _AsJson = False,
) -> None:
    """Score each solution: nll (nats), tokens, ppl, quarters, steps, rsr and, with a profile, cost.

    Writes one line of JSON a solution, and the token-weighted figures of the file. Of records both texts are
    scored: their lines and figures are about the refined text, beside the native one, with drift, cost, the
    tokens that carry the loss of the first quarter, and the tokens that became more or less frequent. Lines
    that can't be read or scored are named on stderr and make the exit code 3.
    """
    from services.embedded.pipes import opened_source
    from services.embedded.scorables import read_scorables
    from services.embedded.scoring import Scoring, native_samples, speaker_for
    from shared.shapes import Reading

    reading = Reading(author=author)
    kind = None if scorer is None else scorer_kind(scorer)
    fitting = profile is None and kind != "transformers"
    with ExitStack() as stack:
        path = None if str(source) == "-" else source
        stream = stack.enter_context(opened_source(path, twice=fitting))
        speaker = speaker_for(profile, kind, model, lambda: native_samples(stream, reading, limit))
        sink = stack.enter_context(output.open("wb")) if output else None if as_json else sys.stdout.buffer
        style = Scoring(speaker, tokens, sink).run(read_scorables(stream, reading, limit))
    _tell(style, speaker, top, as_json)
    if style.bad:
        raise typer.Exit(BAD_LINES)


def _tell(style: FileStyle, speaker: Speaker, top: int, as_json: bool) -> None:
    from services.embedded.scoring import file_figures

    figures = file_figures(style, speaker, top)
    typer.echo(json.dumps(figures) if as_json else _table(figures), err=not as_json)


def _table(figures: dict[str, Any]) -> str:
    rows = [f"{key:10} {value}" for key, value in figures.items() if key not in _TABLES]
    if "native" in figures:
        rows += [f"native {key:8} {value}" for key, value in figures["native"].items()]
        rows += _shown_losses("native", figures["top_q1"]["native"])
        rows += _shown_losses("refined", figures["top_q1"]["refined"])
        rows += _shown_shifts(figures["token_shifts"])
    return "\n".join(rows)


_TABLES = ("native", "top_q1", "token_shifts")


def _shown_losses(side: str, losses: list[dict[str, Any]]) -> list[str]:
    rows = [f"{row['nll']:10.1f} {row['count']:7,} {_quoted(row['token'])}" for row in losses]
    return [f"most loss in the first quarter, {side} (nats, count, token):", *rows]


def _shown_shifts(shifts: list[dict[str, Any]]) -> list[str]:
    rows = [
        f"{row['change']:+10.5f} {row['native']:7,} {row['refined']:7,} {_quoted(row['token'])}"
        for row in shifts
    ]
    return ["change of share, native to refined (share, native count, refined count, token):", *rows]


def _quoted(token: str) -> str:
    """In quotes, so that blanks and line breaks can be seen."""
    return json.dumps(token, ensure_ascii=False)
