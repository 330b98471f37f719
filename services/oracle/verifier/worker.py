"""Life inside a worker process: limits first, then questions, one batch after another.

Whatever exhausts a limit ends the process; the exit code tells which limit it was. The process can't
write files, start programs or open sockets, whatever a parser may be talked into.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from services.oracle.verifier.limits import Limits
from services.oracle.verifier.question import Outcome, Question

EXIT_MEMORY = 86
EXIT_BREACH = 87
_PARENT_DEATH_SIGNAL = 1
_FORBIDDEN = (
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.kill",
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate",
    "subprocess.", "socket.", "shutil.", "ctypes.", "pty.", "ftplib.", "urllib.", "webbrowser.", "tempfile.",
)  # fmt: skip


def start(limits: Limits) -> None:
    """Load and warm the libraries, then close the doors. Runs once, before the first batch."""
    from services.oracle.verifier import warm  # noqa: F401  (loads sympy and math-verify)

    logging.disable(logging.CRITICAL)
    sys.set_int_max_str_digits(0)
    sys.setrecursionlimit(4000)
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    if sys.platform == "linux":
        _die_with_parent()
        _limit_memory(limits.memory)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_refuse)


def judge_batch(questions: tuple[Question, ...], seconds: float) -> tuple[Outcome, ...]:
    """One outcome a question; ends the process where one takes over `seconds` of processor time."""
    return tuple(_judge_within(question, seconds) for question in questions)


def _judge_within(question: Question, seconds: float) -> Outcome:
    from services.oracle.verifier.equality import Exhausted, judge

    # The kernel ends the process, also in the middle of a C function, as SIGPROF is left to its default.
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return judge(question)
    except Exhausted:
        os._exit(EXIT_MEMORY)
    except Exception:  # noqa: BLE001  (whatever a parser raises belongs to this question alone)
        return Outcome.CRASH
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit_memory(extra: int) -> None:
    """Allow `extra` bytes of address space beyond what is in use now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    size = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _die_with_parent() -> None:
    """Ask Linux to end this process with the one that started it, also in the middle of a question."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: end the process at any attempt to reach outside it."""
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event.startswith(_FORBIDDEN):
        os._exit(EXIT_BREACH)
