"""What ``idiolect study`` does: puts the real parts together and runs the study to its report."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from services.pipeline.study.config import StudyConfig, read_config
from services.pipeline.study.course import Course
from services.pipeline.study.parts import Parts
from services.pipeline.study.results import Results
from shared.errors import InputError, NotFoundError

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


def study(order: StudyOrder, watch: StudyWatch) -> dict[str, Any]:
    """Run, or go on with, a study; returns its summary. DriftError where the folder holds another one."""
    config = read_config(found_config(order.config))
    with _parts(config, order, watch.shown) as parts:
        course = Course(config, parts, order.folder, order.fresh, watch.say)
        finished = course.run(page=str(order.folder / PAGE))
    write_page(finished.report, order.folder / PAGE)
    return finished.summary


def choose_rates(order: StudyOrder, grid: tuple[float, ...], watch: StudyWatch) -> RateChoice:
    """Try learning rates on problems that no study is evaluated on; one seed, all arms of the config."""
    config = config_for_rates(read_config(found_config(order.config)), grid)
    with _parts(config, order, watch.shown, choosing_rates=True) as parts:
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
    config: StudyConfig, order: StudyOrder, shown: Shown, *, choosing_rates: bool = False
) -> Iterator[Parts]:
    from services.oracle.locators import CombinedLocator
    from services.oracle.verifier import SandboxedVerifier

    verifier, locator = SandboxedVerifier(1), CombinedLocator()
    with (
        verifier,
        _alone(order.folder),
        opened_writers(config.oracles) as writers,
        Pool(order.processes or os.cpu_count() or 1, order.threads, LocalTools, shown) as pool,
    ):
        yield Parts(
            problems=problems_of(config.problems, choosing_rates=choosing_rates),
            students=students_of(config.student),
            writers=writers,
            verifier=verifier,
            locator=locator,
            repair=SearchRepair(verifier, locator),
            workers=pool,
            scratch=order.folder / "scratch",
            threads=threads_of(config.oracles),
            given=given_texts(config),
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
