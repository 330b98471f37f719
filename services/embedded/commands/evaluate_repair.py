"""``idiolect evaluate-repair``: shares, preservation, locality and drift of repairs on real traces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from services.embedded.repair_evaluation import Case
    from shared.domain import Trajectory
    from shared.ports import Scorer


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Traces with gold and reference.")],
    scorer: Annotated[str, typer.Option("--scorer", help="proxy, transformers or none.")] = "proxy",
    generator: Annotated[
        str | None, typer.Option("--generator", help="Only traces whose generator holds this text.")
    ] = None,
    other: Annotated[
        str | None,
        typer.Option("--other", help="Generator whose right solutions stand as another author's."),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Only traces of this data set.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many.")] = None,
    gate: Annotated[str, typer.Option("--gate", help="enforce or report.")] = "enforce",
    drift_limit: Annotated[
        int, typer.Option("--drift-limit", min=0, help="Most trajectories scored for drift.")
    ] = 400,
    drift_scorer: Annotated[
        str | None,
        typer.Option("--drift-scorer", help="transformers: measure drift under SmolLM2 (default: --scorer)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Refine the traces of FILE and report what became of the wrong ones.

    Drift is measured on edited spans, paired: the repair against the reference's steps put in unchanged and,
    with --other, against another author's right solution of the same problem.
    """
    from services.embedded.composition import assemble, fit
    from services.embedded.refining import scorer_kind
    from services.embedded.repair_evaluation import CHANGED, drifts, locality, shares
    from services.pipeline.assembly import RunSettings
    from services.pipeline.refinement.settings import SearchSettings

    _check_drift_scorer(drift_scorer)
    rows = [row for row in _rows(file) if _wanted(row[0], generator, dataset)][:limit]
    settings = RunSettings("evaluated", scorer_kind(scorer), search=SearchSettings(gate=gate))
    student = fit(settings, lambda: [(t.problem.text, t.text) for _, t in rows])
    with assemble(settings, student) as assembly:
        cases = _cases(assembly.refiner.refine_many(t for _, t in rows), [raw for raw, _ in rows])
    report: dict[str, Any] = {**shares(cases), "locality": locality(cases)}
    if student is not None:
        changed = [c.refinement for c in cases if c.refinement.outcome in CHANGED][:drift_limit]
        judge = _language_model() if drift_scorer == "transformers" else student.scorer
        report["drift"] = drifts(changed, judge, _rivals(file, other))
    typer.echo(json.dumps(report) if as_json else json.dumps(report, indent=1))


def _check_drift_scorer(name: str | None) -> None:
    from shared.errors import FieldError

    if name not in (None, "proxy", "transformers"):
        raise FieldError("--drift-scorer", f"{name!r} is unknown", "use proxy or transformers")


def _language_model() -> Scorer:
    from services.student.engines.transformers import TransformersScorer

    return TransformersScorer.load()


def _rows(file: Path) -> Iterator[tuple[dict[str, Any], Trajectory]]:
    from shared.errors import FieldError
    from shared.jsonl import BadLine, read_objects
    from shared.shapes import to_trajectory

    with file.open("rb") as stream:
        for read in read_objects(stream):
            if isinstance(read, BadLine):
                raise FieldError(f"line {read.line}, {read.field}", read.problem, read.cure)
            yield read[1], to_trajectory(read[1], read[0])


def _wanted(raw: dict[str, Any], generator: str | None, dataset: str | None) -> bool:
    named = generator is None or generator in str(raw.get("generator"))
    return named and (dataset is None or raw.get("dataset") == dataset)


def _cases(refinements: Any, raws: list[dict[str, Any]]) -> list[Case]:
    from services.embedded.repair_evaluation import Case

    return [Case(r, raw.get("first_error")) for r, raw in zip(refinements, raws, strict=True)]


def _rivals(file: Path, other: str | None) -> dict[str, Any]:
    from services.embedded.repair_evaluation import other_author, ours, reference_unchanged

    rivals: dict[str, Any] = {"repair": ours, "reference": reference_unchanged}
    if other is not None:
        solutions = {
            t.problem.text: [step.text for step in t.steps]
            for raw, t in _rows(file)
            if other in str(raw.get("generator")) and raw.get("final_correct")
        }
        rivals["other"] = lambda r: (
            other_author(r, solutions[r.trajectory.problem.text])
            if r.trajectory.problem.text in solutions
            else None
        )
    return rivals
