"""``idiolect evaluate``: how often a model's answers to a set of problems are right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from services.embedded.evaluation_run import Ask
    from shared.domain import EvaluationProblem, EvaluationSettings, Graded
    from shared.identity import Setting

_SECONDS_BETWEEN_LINES = 10.0

_Set = Annotated[
    str, typer.Argument(metavar="SET", help="JSONL file of problems, or a shipped set: math-500, svamp-300.")
]
_Model = Annotated[
    str | None, typer.Option("--model", help="Folder, GGUF file or hub name of a model to run here.")
]
_Student = Annotated[
    str | None, typer.Option("--student", metavar="HOST:PORT", help="Ask this student service instead.")
]
_Oracle = Annotated[
    str | None, typer.Option("--oracle", metavar="HOST:PORT", help="Let this oracle service verify.")
]
_Samples = Annotated[int, typer.Option("--samples", "-k", min=1, help="Samples of each problem.")]
_Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="0 is greedy.")]
_TopP = Annotated[float, typer.Option("--top-p", min=0.0, max=1.0, help="Nucleus, above 0.")]
_MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="Most new tokens of a sample.")]
_Seed = Annotated[int, typer.Option("--seed", help="Start of every random choice.")]
_Instruction = Annotated[str | None, typer.Option("--instruction", help="Put behind every problem.")]
_System = Annotated[str | None, typer.Option("--system", help="System message before every problem.")]
_Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Ask so many problems only.")]
_Output = Annotated[Path, typer.Option("--output", "-o", help="Where every sample goes, JSON Lines.")]
_Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what an earlier run wrote there.")]
_Threads = Annotated[int, typer.Option("--threads", min=1, help="Processor threads of the model.")]
_Rows = Annotated[int, typer.Option("--rows", min=1, help="Samples that share one step of the model.")]
_Room = Annotated[
    int,
    typer.Option("--room", min=1, help="Most tokens of keys and values that run together, with --model."),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as one line of JSON.")]


def command(
    problems: _Set,
    output: _Output,
    model: _Model = None,
    student: _Student = None,
    oracle: _Oracle = None,
    samples: _Samples = 16,
    temperature: _Temperature = 1.0,
    top_p: _TopP = 1.0,
    max_tokens: _MaxTokens = 4096,
    seed: _Seed = 0,
    instruction: _Instruction = None,
    system: _System = None,
    limit: _Limit = None,
    fresh: _Fresh = False,
    threads: _Threads = 2,
    rows: _Rows = 128,
    room: _Room = 32_768,
    as_json: _AsJson = False,
) -> None:
    """Ask a model every problem k times and verify the answers: Avg@k, pass@k, maj@k, tables by group.

    OUT holds one line of JSON a problem with all its samples and verdicts; OUT.summary.json the figures with
    their definitions. A run that was stopped goes on when the command is repeated; changed input or settings
    are refused.
    """
    from services.embedded.evaluation_run import EvaluationRun
    from shared.domain import EvaluationSettings
    from shared.evaluation.asking import check_settings
    from shared.evaluation.problemsets import load_set

    found = load_set(problems)[:limit]
    settings = EvaluationSettings(samples, temperature, top_p, max_tokens, seed, instruction, system)
    check_settings(settings)
    with ExitStack() as stack:
        parts = _here(model, oracle, settings, threads, rows, room) if student is None else None
        asker, identity = stack.enter_context(parts or _there(student or "", model, oracle, settings))
        run = stack.enter_context(EvaluationRun(found, output, identity, fresh=fresh))
        told = run.run(asker, _watch(len(found)))
    typer.echo(json.dumps(told) if as_json else table(told))


@contextmanager
def _here(
    model: str | None, oracle: str | None, settings: EvaluationSettings, threads: int, rows: int, room: int
) -> Iterator[tuple[Ask, dict[str, Setting]]]:
    from services.embedded.evaluating import LocalEvaluator
    from services.inference.checkpoint import identify
    from shared.errors import FieldError

    if model is None:
        raise FieldError("--model", "is missing", "name a model's folder, or a service with --student")
    if oracle is not None:
        raise FieldError("--oracle", "goes with --student", "leave it out: answers are verified here")
    name, digest = identify(model)
    identity: dict[str, Setting] = {"model.engine": "transformers", "model.name": name}
    with LocalEvaluator(threads, rows=rows, tokens=room) as evaluator:

        def asked(problems: Sequence[EvaluationProblem]) -> Iterable[Graded]:
            return evaluator.evaluate(model, problems, settings)

        yield asked, {**identity, "model.digest": digest, **_chosen(settings)}


@contextmanager
def _there(
    student: str, model: str | None, oracle: str | None, settings: EvaluationSettings
) -> Iterator[tuple[Ask, dict[str, Setting]]]:
    from services.embedded.evaluating import ServiceEvaluator
    from services.oracle.verifier import SandboxedVerifier
    from shared.clients.oracle import OracleClient
    from shared.clients.student import StudentClient
    from shared.ports import Verifier
    from shared.rpc.channel import Target

    with ExitStack() as stack:
        client = stack.enter_context(StudentClient(Target(student, name="--student")))
        verifier: Verifier
        identity = _chosen(settings)
        if oracle is None:
            verifier = stack.enter_context(SandboxedVerifier())
        else:
            verifier = served = stack.enter_context(OracleClient(Target(oracle, name="--oracle")))
            identity["oracle.digest"] = served.info.model.digest
        info = client.info
        asked = ServiceEvaluator(client, verifier)
        identity |= {"model.engine": info.engine, "model.name": info.model, "model.digest": info.digest}
        yield lambda problems: asked.evaluate(model or info.digest, problems, settings), identity


def _chosen(settings: EvaluationSettings) -> dict[str, Setting]:
    from dataclasses import asdict

    return {f"settings.{name}": value for name, value in asdict(settings).items()}


def _watch(total: int) -> Callable[[int], None]:
    """Writes a line on stderr every ten seconds."""
    shown = time.monotonic()

    def tell(done: int) -> None:
        nonlocal shown
        if time.monotonic() - shown >= _SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            typer.echo(f"{done} of {total} problems", err=True)

    return tell


def table(told: dict[str, Any]) -> str:
    """The figures of a summary for a person: one line a figure, then a table by group."""
    run = told["run"]
    k = told["k"]
    lines = [
        f"{run['model.name']} ({run['model.engine']}, {str(run['model.digest'])[:12]}), "
        f"{told['problems']} problems x {k} samples, T = {run['settings.temperature']:g}",
        f"Avg@{k:<5} {_interval(told['avg'])}",
        *(f"pass@{at:<4} {_interval(found)}" for at, found in told["pass"].items() if at != "1"),
        f"maj@{k:<5} {_interval(told['maj'])}",
        f"undecided {_share(told['undecided'])}  truncated {_share(told['truncated'])}  "
        f"tokens a sample {told['tokens']}",
    ]
    for name, rows in told["tables"].items():
        lines += ["", f"{name:<24} problems  {'Avg@' + str(k):<22} maj    undecided truncated tokens"]
        for value, row in rows.items():
            lines.append(
                f"{value[:24]:<24} {row['problems']:>8}  {_interval(row['avg']):<22} {_share(row['maj']):<6} "
                f"{_share(row['undecided']):<9} {_share(row['truncated']):<9} {row['tokens']}"
            )
    return "\n".join(lines)


def _interval(found: dict[str, Any]) -> str:
    if found["mean"] is None:
        return "-"
    return f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
