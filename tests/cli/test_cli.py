"""The command line: quick to answer, one exit code a kind of end, plain about what it can't do."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from services.embedded import exits
from services.embedded.cli import COMMANDS, CommandGroup, app
from shared.errors import (
    BudgetError,
    DriftError,
    FieldError,
    IdiolectError,
    InputError,
    IntegrityError,
    UnavailableError,
)
from shared.version import VERSION

RUNNER = CliRunner()
ERRORS: dict[type[Exception], tuple[Exception, int]] = {
    FieldError: (FieldError("steps[2]", "is a JSON number", "write a string"), 2),
    InputError: (InputError("no"), 2),
    DriftError: (DriftError(("seed: 1 -> 2",)), 4),
    UnavailableError: (UnavailableError("no model"), 5),
    IntegrityError: (IntegrityError("touched"), 6),
    BudgetError: (BudgetError("time"), 7),
    IdiolectError: (IdiolectError("?"), 1),
    FileNotFoundError: (FileNotFoundError(2, "No such file", "x.jsonl"), 2),
    ModuleNotFoundError: (ModuleNotFoundError("no", name="pyarrow"), 5),
    KeyboardInterrupt: (KeyboardInterrupt(), 130),  # type: ignore[dict-item]
}


def heavy_after(arguments: str) -> str:
    program = (
        "import sys\n"
        "from services.embedded.cli import app\n"
        f"try: app({arguments!r}.split())\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sympy', 'transformers', 'numpy', 'pyarrow', 'math_verify', 'jsonschema'}\n"
        "print('loaded:', *sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("arguments", ["--help", "refine --help", "export --help", "--version"])
def test_help_loads_nothing_heavy(arguments: str) -> None:
    assert heavy_after(arguments) == "loaded:"


def test_the_version_is_told() -> None:
    assert RUNNER.invoke(app, ["--version"]).stdout == f"idiolect {VERSION}\n"


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert version("idiolect") == VERSION


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_what_it_does(name: str) -> None:
    told = RUNNER.invoke(app, [name, "--help"])
    assert told.exit_code == 0
    assert "Usage: " in told.stdout


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["refine"], ["unknown"], ["refine", "a", "--limit", "-1"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert RUNNER.invoke(app, arguments).exit_code == exits.BAD_INPUT


def ending_with(error: BaseException) -> typer.Typer:
    """The group with one command that raises."""

    class Raising(CommandGroup):
        def get_command(self, ctx: object, cmd_name: str) -> object:
            single = typer.Typer()

            @single.command("end")
            def end() -> None:
                raise error

            return typer.main.get_command(single)

    ending = typer.Typer(cls=Raising)
    ending.callback()(lambda: None)
    return ending


@pytest.mark.parametrize(("error", "code"), ERRORS.values(), ids=[kind.__name__ for kind in ERRORS])
def test_every_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert RUNNER.invoke(ending_with(error), ["end"]).exit_code == code


def test_an_error_is_one_line_on_stderr() -> None:
    done = RUNNER.invoke(ending_with(FieldError("gold", "is missing", "add it")), ["end"])
    assert (done.stdout, done.stderr) == ("", "idiolect: gold: is missing; add it\n")
