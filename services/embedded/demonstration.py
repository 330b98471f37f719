"""What ``idiolect demo`` does and shows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from services.embedded.composition import assemble, local_generator
from services.embedded.refining import Order, refine
from services.embedded.repair_evaluation import CHANGED, drifts, ours, reference_unchanged
from services.pipeline.assembly import RunSettings, student_tier
from services.pipeline.refinement.acceptance import Acceptance, Accepted
from services.pipeline.refinement.student_rewriters import Sampling
from shared.domain import Outcome, Refinement
from shared.errors import DriftError
from shared.jsonl import BadLine, read_objects
from shared.ports import RewriteRequest
from shared.record import from_record

STUDENTS = ("tinyllama", "gpt3_6b", "realcritic")


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One demo: where the trajectories are, where results go, how much a language model does."""

    data: Path
    output: Path
    scored: int
    resampled: int
    console: Console = field(default_factory=lambda: plain_or_terminal())

    def run(self) -> None:
        """Refine, count, score, resample, report."""
        begun = time.monotonic()
        self.output.mkdir(parents=True, exist_ok=True)
        results = {name: self._refined(name) for name in STUDENTS}
        self.console.print(_outcomes(results))
        self.console.print(_rewriters(results))
        if self.scored:
            self._show_drift(results)
        if self.resampled:
            self._show_resampling(results)
        page = self._report()
        self.console.print(f"\n{time.monotonic() - begun:.0f} s. Open the report: [bold]{page}[/bold]")

    def _refined(self, name: str) -> list[Refinement]:
        return refined(self.data / f"{name}.jsonl", self.output / f"{name}.jsonl", self.console)

    def _show_drift(self, results: dict[str, list[Refinement]]) -> None:
        """Nats per token of the edited spans under SmolLM2, ours beside the reference's own words."""
        from services.student.engines.transformers import TransformersScorer

        self.console.print(f"\nscoring the {self.scored} shortest repairs under SmolLM2-135M ...")
        changed = [[r for r in rs if r.outcome in CHANGED and _has_rival(r)] for rs in results.values()]
        chosen = _in_turn([sorted(rs, key=_length) for rs in changed], self.scored)
        rivals = {"repair": ours, "reference": reference_unchanged}
        self.console.print(_drift(drifts(chosen, TransformersScorer.load(), rivals)))

    def _show_resampling(self, results: dict[str, list[Refinement]]) -> None:
        """SmolLM2 goes on from the last right step of solutions that the rules could not repair."""
        rejected = [[r for r in rs if r.outcome is Outcome.REJECTED] for rs in results.values()]
        chosen = _in_turn([sorted(rs, key=_length) for rs in rejected], self.resampled)
        self.console.print(f"\nSmolLM2-135M goes on with {len(chosen)} rejected solutions ...")
        reasons = Counter(self._resample(chosen))
        for reason, count in reasons.most_common():
            self.console.print(f"  {count:>3} {reason}")

    def _resample(self, refinements: Sequence[Refinement]) -> Iterator[str]:
        settings = RunSettings(scorer="none")
        rewriters = student_tier(local_generator(None), Sampling(n=2, max_tokens=48))
        with assemble(settings, None) as assembly:
            acceptance = Acceptance(assembly.refiner.verifier, assembly.refiner.locator)
            for r in refinements:
                request = RewriteRequest(r.trajectory, r.before, r.diagnosis, None, 0)
                for rewriter in rewriters:
                    for candidate in rewriter.propose(request):
                        judged = acceptance.judge(r.trajectory, candidate)
                        taken = isinstance(judged, Accepted)
                        reason = "accepted" if taken else str(judged).split(" in step")[0].split(":")[0]
                        yield f"{rewriter.name}: {reason}"

    def _report(self) -> Path:
        from services.embedded.report.assembly import write_report

        files = [self.output / f"{name}.jsonl" for name in STUDENTS]
        return write_report(files, self.output / "report.html", 300).path


def refined(source: Path, output: Path, console: Console) -> list[Refinement]:
    """The records of a whole file, made where they aren't yet; those of another version are made anew."""
    order = Order(source, output, name=source.stem, tokens=True)
    try:
        refine(order)
    except DriftError as error:
        console.print(f"{output} is made anew, since this changed: {'; '.join(error.differences)}")
        refine(replace(order, fresh=True))
    return list(_records(output))


def plain_or_terminal() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=120)


def _records(path: Path) -> Iterator[Refinement]:
    with path.open("rb") as stream:
        for read in read_objects(stream):
            if not isinstance(read, BadLine):
                yield from_record(read[1])[0]


def _in_turn(groups: Sequence[Sequence[Refinement]], most: int) -> list[Refinement]:
    """The first of each group, then the second of each, and so on."""
    turns = chain.from_iterable(zip_longest(*groups))
    return list(islice((r for r in turns if r is not None), most))


def _has_rival(refinement: Refinement) -> bool:
    return reference_unchanged(refinement) is not None


def _length(refinement: Refinement) -> int:
    """Characters that a language model has to read; the short ones keep the demo short."""
    return len(refinement.trajectory.problem.text) + len(refinement.refined)


def _outcomes(results: dict[str, list[Refinement]]) -> Table:
    table = Table(
        "student",
        "solutions",
        title="What became of them",
        title_justify="left",
        caption="* median of the repaired",
    )
    shown = [
        outcome for outcome in Outcome if any(r.outcome is outcome for rs in results.values() for r in rs)
    ]
    for outcome in shown:
        table.add_column(outcome.value, justify="right")
    table.add_column("preserved*", justify="right")
    for name, refinements in results.items():
        counts = Counter(r.outcome for r in refinements)
        repaired = [r.preserved for r in refinements if r.outcome is Outcome.REPAIRED]
        preserved = f"{median(repaired):.2f}" if repaired else "-"
        table.add_row(name, str(len(refinements)), *(str(counts[o]) for o in shown), preserved)
    return table


def _rewriters(results: dict[str, list[Refinement]]) -> Table:
    table = Table("rewriter", title="Who repaired", title_justify="left")
    counts = {name: Counter(r.edits[0].rewriter for r in rs if r.edits) for name, rs in results.items()}
    for name in results:
        table.add_column(name, justify="right")
    for rewriter in sorted({rewriter for count in counts.values() for rewriter in count}):
        table.add_row(rewriter, *(str(count[rewriter]) for count in counts.values()))
    return table


def _drift(report: dict[str, Any]) -> Table:
    title = f"Nats per token, new minus replaced text (n = {report['n']}, {report['label']})"
    table = Table("written in", "mean", "95 % interval", title=title, title_justify="left")
    rows = {"repair": "the student's own expression", "reference": "the reference's words, unchanged"}
    for key, words in {**rows, "repair_minus_reference": "difference, paired"}.items():
        figures = report[key]
        if figures["mean"] is not None:
            table.add_row(
                words, f"{figures['mean']:+.2f}", f"{figures['low']:+.2f} .. {figures['high']:+.2f}"
            )
    return table
