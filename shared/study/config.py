"""What a study is told: one TOML file, read strictly; docs/study.md explains every entry."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from shared.domain import EvaluationSettings, Loss, TrainingSettings
from shared.errors import FieldError
from shared.study.design import Design
from shared.study.register import EXTRA, MAKERS, needs_oracle
from shared.study.table_reader import TableReader

Source = Literal["first", "wrong", "right", "native"]
SOURCES: tuple[Source, ...] = ("first", "wrong", "right", "native")
Native = Literal["right", "any"]
NATIVES: tuple[Native, ...] = ("right", "any")
LEAST_SEEDS = 3
ALIGNED, UNALIGNED = "style_aligned", "oracle_refined"
_LAMBDAS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class ProblemSettings:
    """Where problems come from.

    Attributes:
        kind: ``miniature`` (generated) or ``file`` (JSON Lines with id, problem, gold, reference).
        count: problems that the student is sampled on, a draw.
        draws: seeds of the draws; each is a data set of its own.
        held_out: problems of the evaluation; 0 in a study without trainings. held_out_seed: of their draw.
        file, held_out_file: of kind ``file``.
    """

    kind: str
    count: int
    draws: tuple[int, ...] = (1,)
    held_out: int = 300
    held_out_seed: int = 9001
    file: str | None = None
    held_out_file: str | None = None


@dataclass(frozen=True, slots=True)
class StudentSettings:
    """Which models are the student; `instruction` and `system` are of its template."""

    models: tuple[str, ...]
    instruction: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class ArmSettings:
    """One arm: its name, how its texts are made, by which oracle, and what the maker is told beside."""

    name: str
    maker: str
    oracle: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_extra(self) -> bool:
        """Whether it is the arm's point to hold more problems than the others."""
        return self.maker in EXTRA


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """A study.

    Attributes:
        name: for people. seeds: of the trainings. losses: what is minimised; none of both in a study that
            ends with the scores.
        native: which sample the native arm keeps: the first right one, or the first that ended by itself.
        source: which of the student's samples the refining arms edit (docs/study.md).
        count: examples an arm; as many as there are where fewer are shared.
        arms: what is compared. oracles: settings of each oracle by name.
        sampling: how the student is sampled. evaluation: how trained models are asked.
        training: settings that all trainings share. rates: learning rate by loss, fixed beforehand.
        rates_from: where those were chosen. rate_grid: rates that are tried instead, to choose one.
        budgets: steps of the trainings; the first is the one that the table shows.
        lambdas: weights of cost that are tried. scorer_label: ``native`` where the scorer is the student.
        reward: a model that grades solutions, None without one.
        design: what is assumed for the smallest detectable difference.
    """

    name: str
    seeds: tuple[int, ...]
    losses: tuple[Loss, ...]
    source: Source
    count: int
    problems: ProblemSettings
    student: StudentSettings
    sampling: EvaluationSettings
    oracles: Mapping[str, Mapping[str, Any]]
    arms: tuple[ArmSettings, ...]
    training: TrainingSettings
    rates: Mapping[Loss, float]
    rates_from: str
    budgets: tuple[int, ...]
    evaluation: EvaluationSettings
    lambdas: tuple[float, ...] = _LAMBDAS
    rate_grid: tuple[float, ...] = ()
    reward: str | None = None
    design: Design = field(default_factory=Design)
    native: Native = "right"

    @property
    def trains(self) -> bool:
        """Whether anything is trained; a study without losses ends with the scores of its arms."""
        return bool(self.losses)

    def identity(self) -> dict[str, Any]:
        """The whole of it, nested by name; arms by theirs."""
        whole = asdict(self)
        if self.native == "right":
            # Folders of studies from before there was a choice stay theirs.
            del whole["native"]
        arms = {arm.name: {"place": place, **asdict(arm)} for place, arm in enumerate(self.arms)}
        return {**whole, "arms": arms, "rates": {loss.value: rate for loss, rate in self.rates.items()}}


def read_config(path: Path) -> StudyConfig:
    """The study that a TOML file describes; FieldError names the entry that can't be used."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise FieldError(path.name, f"is no TOML: {error}", "correct that line") from None
    return to_config(content)


def to_config(content: Mapping[str, Any]) -> StudyConfig:
    """The study that a parsed file describes."""
    top = TableReader(content)
    known = [loss.value for loss in Loss]
    losses = tuple(Loss(one) for one in top.texts("losses", ("sft", "dft"), known, may_be_empty=True))
    student = _student(top.table("student"))
    oracles = {name: dict(table.values) for name, table in top.named_tables("oracles").items()}
    trained = _trained(top, student, losses)
    config = StudyConfig(
        name=top.text("name"),
        seeds=trained.seeds,
        losses=losses,
        source=_source(top),
        native=_native(top),
        count=top.whole("count", least=1),
        problems=_problems(top.table("problems"), bool(losses)),
        student=student,
        sampling=_asking(top.table("sampling"), student, 8),
        oracles=oracles,
        arms=tuple(_arm(table, oracles) for table in top.tables("arms")),
        training=trained.settings,
        rates=trained.rates,
        rates_from=trained.rates_from,
        budgets=trained.budgets,
        evaluation=trained.evaluation,
        lambdas=trained.lambdas,
        reward=top.optional_text("reward"),
        design=trained.design,
    )
    top.finish()
    _check_names(config)
    return config


@dataclass(frozen=True, slots=True)
class _Trained:
    """What a config says of trainings and their evaluation; in a study without losses, nothing."""

    seeds: tuple[int, ...] = ()
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    budgets: tuple[int, ...] = ()
    rates: Mapping[Loss, float] = field(default_factory=dict)
    rates_from: str = "nothing is trained"
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    lambdas: tuple[float, ...] = _LAMBDAS
    design: Design = field(default_factory=Design)


def _trained(top: TableReader, student: StudentSettings, losses: tuple[Loss, ...]) -> _Trained:
    """Without losses nothing of it is read, so that whatever stands there is refused as unknown."""
    if not losses:
        return _Trained()
    settings, budgets, rates, rates_from = _training(top.table("training"), losses)
    return _Trained(
        seeds=_seeds(top),
        settings=settings,
        budgets=budgets,
        rates=rates,
        rates_from=rates_from,
        evaluation=_asking(top.table("evaluation"), student, 16),
        lambdas=top.numbers("lambdas", _LAMBDAS),
        design=_design(top.table("design")),
    )


def _seeds(top: TableReader) -> tuple[int, ...]:
    seeds, forced = top.wholes("seeds"), top.truth("few_seeds")
    if len(seeds) < LEAST_SEEDS and not forced:
        cure = f"give {LEAST_SEEDS} or more, or write few_seeds = true and believe no interval"
        raise FieldError("seeds", f"are {len(seeds)}", cure)
    return seeds


def _source(top: TableReader) -> Source:
    chosen = top.text("source", "first", SOURCES)
    return next(source for source in SOURCES if source == chosen)


def _native(top: TableReader) -> Native:
    chosen = top.text("native", "right", NATIVES)
    return next(native for native in NATIVES if native == chosen)


def _problems(table: TableReader, evaluated: bool) -> ProblemSettings:
    kind = table.text("kind", choices=("miniature", "file"))
    found = ProblemSettings(
        kind=kind,
        count=table.whole("count", least=1),
        draws=table.wholes("draws", (1,)),
        held_out=table.whole("held_out", 300, least=1) if evaluated else 0,
        held_out_seed=table.whole("held_out_seed", 9001),
        file=table.text("file") if kind == "file" else None,
        held_out_file=table.text("held_out_file") if kind == "file" and evaluated else None,
    )
    table.finish()
    if found.held_out_seed in found.draws:
        raise FieldError("problems.held_out_seed", "is also a draw", "give a seed that no draw has")
    return found


def _student(table: TableReader) -> StudentSettings:
    models = table.texts("models")
    found = StudentSettings(models, table.optional_text("instruction"), table.optional_text("system"))
    table.finish()
    return found


def _asking(table: TableReader, student: StudentSettings, samples: int) -> EvaluationSettings:
    found = EvaluationSettings(
        samples=table.whole("samples", samples, least=1),
        temperature=table.number("temperature", 1.0),
        top_p=table.number("top_p", 1.0, least=1e-6, most=1.0),
        max_tokens=table.whole("max_tokens", 4096, least=1),
        seed=table.whole("seed", 0),
        instruction=student.instruction,
        system=student.system,
    )
    table.finish()
    return found


def _arm(table: TableReader, oracles: Mapping[str, Any]) -> ArmSettings:
    name = table.text("name")
    if not name.replace("_", "").replace("-", "").isalnum():
        raise FieldError(table.name("name"), f"is {name!r}", "use letters, digits, - and _")
    maker = table.text("maker", name, MAKERS)
    oracle = table.optional_text("oracle")
    if needs_oracle(maker) and oracle not in oracles:
        known = ", ".join(oracles) or "none"
        raise FieldError(table.name("oracle"), f"is {oracle!r}", f"name a table of [oracles]: {known}")
    options = MAKERS[maker](table)
    table.finish()
    return ArmSettings(name, maker, oracle, options)


def _training(
    table: TableReader, losses: tuple[Loss, ...]
) -> tuple[TrainingSettings, tuple[int, ...], dict[Loss, float], str]:
    told = table.table("rates")
    rates = {loss: told.number(loss.value, least=1e-9, most=10.0) for loss in losses}
    told.rest()
    rates_from = table.text("rates_from", "given in the config")
    budgets = table.wholes("steps", least=1)
    schedule = table.text("schedule", "linear", ("linear", "cosine", "constant"))
    settings = TrainingSettings(
        schedule=schedule,  # type: ignore[arg-type]
        warmup_steps=table.whole("warmup_steps", 0),
        final_share=table.number("final_share", 0.0, most=1.0),
        batch_size=table.whole("batch_size", 256, least=1),
        micro_batch=table.optional_whole("micro_batch", least=1),
        max_tokens=table.optional_whole("max_tokens", least=1),
        weight_decay=table.number("weight_decay", 0.0),
        betas=_betas(table),
        clip=table.number("clip", 1.0),
        precision=table.text("precision", "auto", ("auto", "float32", "bfloat16")),  # type: ignore[arg-type]
        checkpointing=table.truth("checkpointing"),
        packing=table.truth("packing"),
        save_every=table.optional_whole("save_every", least=1),
    )
    table.finish()
    return settings, budgets, rates, rates_from


def _betas(table: TableReader) -> tuple[float, float]:
    betas = table.numbers("betas", (0.9, 0.999))
    if len(betas) != 2 or max(betas) >= 1:
        raise FieldError(table.name("betas"), f"are {betas}", "give two numbers below 1")
    return betas[0], betas[1]


def _design(table: TableReader) -> Design:
    plain = Design()
    found = Design(
        accuracy=table.number("accuracy", plain.accuracy, most=1.0),
        seed_sd=table.number("seed_sd", plain.seed_sd, most=1.0),
        problem_sd=table.number("problem_sd", plain.problem_sd, most=1.0),
    )
    table.finish()
    return found


def _check_names(config: StudyConfig) -> None:
    names = [arm.name for arm in config.arms]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise FieldError(f"arms[{place}].name", f"{name!r} stands twice", "give each arm its own name")
    if "native" not in [arm.maker for arm in config.arms]:
        raise FieldError("arms", "lack the maker native", "add it: the other arms are compared with it")
