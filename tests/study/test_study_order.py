"""What the command is given, before any work begins."""

import fcntl
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.embedded.commands.study import command
from services.embedded.study.watching import PlainWatch
from services.embedded.studying import SHIPPED, StudyOrder, found_config, study
from shared.errors import FieldError, InputError, NotFoundError


def test_a_shipped_study_is_found_by_its_name() -> None:
    assert found_config(Path("miniature")) == SHIPPED / "miniature.toml"


def test_an_unknown_study_names_those_that_are_shipped() -> None:
    with pytest.raises(NotFoundError, match="miniature-quick"):
        found_config(Path("maxiature"))


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process"):
            study(StudyOrder(Path("miniature-quick"), tmp_path), PlainWatch())


def test_rates_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    arguments = ["miniature", "-o", str(tmp_path), "--choose-rates", "fast"]
    ended = CliRunner().invoke(app, arguments)
    assert isinstance(ended.exception, FieldError)
