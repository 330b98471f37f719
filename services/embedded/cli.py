"""The command ``idiolect``: one module a command, imported when it is called.

Errors of this project become one line on stderr and an exit code (see `services.embedded.exits`).
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any, Never

import typer
from typer.core import TyperGroup

from services.embedded import exits
from shared.errors import DriftError, IdiolectError
from shared.version import VERSION

_FOLDER = "services.embedded.commands"
COMMANDS = (
    "refine",
    "up",
    "submit",
    "watch",
    "fetch",
    "jobs",
    "cancel",
    "verify",
    "locate",
    "score",
    "profile",
    "export",
    "report",
    "evaluate",
    "compare",
    "evaluate-verifier",
    "evaluate-locator",
    "evaluate-style",
    "evaluate-repair",
    "study",
    "demo",
)
_CODES = (
    "Exit codes: 0 done, 2 bad usage or input, 3 done but some lines are in the error file, "
    "4 resume refused, 5 a needed part is missing, 6 a guarantee would break, 7 a limit was hit, "
    "130 interrupted."
)


class CommandGroup(TyperGroup):
    """Finds a command by its name, and gives every error its exit code.

    Contexts and commands are untyped here, because they are typer's own copies of click's classes.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, from a module of its own."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"{_FOLDER}.{cmd_name.replace('-', '_')}")
        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(module.command)
        return typer.main.get_command(single)

    def _cure(self, ctx: Any, error: IdiolectError) -> str:
        """What helps where a command that goes on where it stopped refuses to."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        starts_anew = command is not None and any("--fresh" in option.opts for option in command.params)
        if not (starts_anew and isinstance(error, DriftError)):
            return ""
        return "; put that back, or begin anew with --fresh"

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; an error of this project ends it with one line and a code."""
        try:
            return super().invoke(ctx)
        except IdiolectError as error:
            _end(f"{error}{self._cure(ctx, error)}", exits.exit_code(error))
        except ModuleNotFoundError as error:
            _end(f"{error.name} is not installed; install the extra idiolect[embedded]", exits.UNAVAILABLE)
        except BrokenPipeError:
            # The interpreter would fail once more when it flushes what nobody reads.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(exits.BROKEN_PIPE) from None
        except OSError as error:
            _end(f"{error.filename or 'a file'}: {error.strerror or error}", exits.BAD_INPUT)
        except KeyboardInterrupt:
            _end("interrupted", exits.INTERRUPTED)


def _end(message: str, code: int) -> Never:
    typer.echo(f"idiolect: {message}", err=True)
    raise typer.Exit(code) from None


app = typer.Typer(
    cls=CommandGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=_CODES,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"idiolect {VERSION}")
        raise typer.Exit


@app.callback()
def idiolect(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Repair the logic of a student model's reasoning and leave its idiolect alone."""


def main() -> None:
    """Entry point of the command ``idiolect``."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    app(prog_name="idiolect")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a polite end; what is settled is committed.

    A class of its own, because the interpreter ends by the signal, whatever the exit code, once a plain
    KeyboardInterrupt has passed through an ``exec`` (some library does that at import).
    """


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    main()
