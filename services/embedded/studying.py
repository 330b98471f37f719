"""What ``idiolect study`` does: puts the real parts together and runs the study to its report."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.embedded.study.page import write_page
from services.embedded.study.pool import Pool, Shown
from services.embedded.study.rates import RateChoice, chosen_rates, config_for_rates
from services.embedded.study.repairing import SearchRepair
from services.embedded.study.sources import SHIPPED, given_texts, problems_of, students_of
from services.embedded.study.tools import LocalTools
from services.embedded.study.watching import StudyWatch
from services.embedded.study.writers import opened_writers, threads_of
from services.pipeline.study.course import Course
from services.pipeline.study.parts import Parts, Student
from services.pipeline.study.results import Results
from shared.errors import InputError, NotFoundError
from shared.study.config import StudyConfig, read_config

PAGE = "report.html"


@dataclass(frozen=True, slots=True)
class StudyOrder:
    """What the caller asked for.

    Attributes:
        config: a TOML file, or the name of a shipped one. folder: of the study.
        processes: workers; None takes as many as there are processors. threads: of each of them.
        fresh: remove what a changed config no longer fits, and make it anew.
    """

    config: Path
    folder: Path
    processes: int | None = None
    threads: int = 1
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """Where what a config names really is; what stands in neither is where its own name says.

    Attributes:
        models: folders of students by name. files: paths of files of problems by name.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def found(self, config: StudyConfig) -> StudyConfig:
        """The config with places in the place of names; only to open what it names."""
        told = config.problems
        problems = replace(told, file=self._file(told.file), held_out_file=self._file(told.held_out_file))
        models = tuple(self.models.get(name, name) for name in config.student.models)
        return replace(config, problems=problems, student=replace(config.student, models=models))

    def named(self, students: Sequence[Student], config: StudyConfig) -> list[Student]:
        """The students, with the names that the config has for them."""
        pairs = zip(students, config.student.models, strict=True)
        return [replace(one, name=name) if name in self.models else one for one, name in pairs]

    def _file(self, name: str | None) -> str | None:
        return None if name is None else self.files.get(name, name)


def study(order: StudyOrder, watch: StudyWatch) -> dict[str, Any]:
    """Run, or go on with, a study; returns its summary. DriftError where the folder holds another one."""
    config = read_config(found_config(order.config))
    return run_study(config, order, watch, page=str(order.folder / PAGE))


def run_study(
    config: StudyConfig,
    order: StudyOrder,
    watch: StudyWatch,
    *,
    page: str = PAGE,
    places: Places | None = None,
) -> dict[str, Any]:
    """As `study`, of a config that was read; `page` is what the summary calls the report."""
    with _parts(config, order, watch.shown, places or Places()) as parts:
        course = Course(config, parts, order.folder, order.fresh, watch.say)
        finished = course.run(page=page)
    write_page(finished.report, order.folder / PAGE)
    return finished.summary


def choose_rates(order: StudyOrder, grid: tuple[float, ...], watch: StudyWatch) -> RateChoice:
    """Try learning rates on problems that no study is evaluated on; one seed, all arms of the config."""
    config = config_for_rates(read_config(found_config(order.config)), grid)
    with _parts(config, order, watch.shown, Places(), choosing_rates=True) as parts:
        course = Course(config, parts, order.folder, order.fresh, watch.say)
        course.work()
        return chosen_rates(Results(config, course.cells))


def found_config(path: Path) -> Path:
    """The file itself, or the shipped study of that name. NotFoundError where there is neither."""
    if path.is_file():
        return path
    shipped = SHIPPED / f"{path.name.removesuffix('.toml')}.toml"
    if path.parent == Path() and shipped.is_file():
        return shipped
    known = ", ".join(sorted(one.stem for one in SHIPPED.glob("*.toml")))
    raise NotFoundError(f"{path}: there is no such file, and no shipped study of that name ({known})")


@contextmanager
def _parts(
    config: StudyConfig, order: StudyOrder, shown: Shown, places: Places, *, choosing_rates: bool = False
) -> Iterator[Parts]:
    from services.oracle.locators import CombinedLocator
    from services.oracle.verifier import SandboxedVerifier

    verifier, locator = SandboxedVerifier(1), CombinedLocator()
    found = places.found(config)
    with (
        verifier,
        _alone(order.folder),
        opened_writers(config.oracles) as writers,
        Pool(order.processes or os.cpu_count() or 1, order.threads, LocalTools, shown) as pool,
    ):
        yield Parts(
            problems=problems_of(found.problems, choosing_rates=choosing_rates),
            students=places.named(students_of(found.student), config),
            writers=writers,
            verifier=verifier,
            locator=locator,
            repair=SearchRepair(verifier, locator),
            workers=pool,
            scratch=order.folder / "scratch",
            threads=threads_of(config.oracles),
            given=given_texts(found),
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second process out of the folder. InputError where one works there already."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = f"another process works on the study in {folder}; wait for it, or take another folder"
            raise InputError(told) from None
        yield
