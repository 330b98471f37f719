"""Worker processes: every task is settled, errors travel, and nobody outlives the parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import pytest
from made_study import mortal_tools, scripted_tools

from services.embedded.study.pool import Pool
from services.pipeline.study.tasks import Reward, Tagged
from shared.errors import FieldError, UnavailableError
from shared.ports import ScoreRequest

PARENT = """
import sys
from made_study import scripted_tools
from services.embedded.study.pool import Pool
from services.pipeline.study.tasks import Reward, Tagged
from shared.ports import ScoreRequest

if __name__ == "__main__":
    pool = Pool(2, 1, scripted_tools, lambda stage, done, known: None)
    task = Reward("letters", (ScoreRequest("?", "one"),))
    pool.run([Tagged("a", task), Tagged("b", task)], lambda tag, result: [])
    print(*(worker.process.pid for worker in pool._workers), flush=True)
    sys.stdin.read()
"""


def grade(tag: str, model: str = "letters") -> Tagged:
    return Tagged(tag, Reward(model, (ScoreRequest("?", tag),)), "score")


def settled(tools: Any, tasks: Iterable[Tagged], follow: dict[str, list[Tagged]]) -> dict[str, Any]:
    """Results by tag, with two worker processes."""
    found: dict[str, Any] = {}

    def settle(tag: str, result: Any) -> list[Tagged]:
        found[tag] = result
        return follow.get(tag, [])

    with Pool(2, 1, tools, lambda stage, done, known: None) as pool:
        pool.run(tasks, settle)
    return found


def test_every_task_and_what_follows_it_is_done() -> None:
    tasks = [grade("a"), grade("bb"), grade("ccc")]
    found = settled(scripted_tools, tasks, {"a": [grade("dddd")]})
    assert found == {"a": [1.0], "bb": [2.0], "ccc": [3.0], "dddd": [4.0]}


def test_an_error_of_a_task_is_raised_as_it_was() -> None:
    with pytest.raises(FieldError, match="name one"):
        settled(mortal_tools, [grade("a", "refuse"), grade("bb")], {})


def test_a_worker_that_dies_is_told_with_the_task_it_had() -> None:
    with pytest.raises(UnavailableError, match="worked on a ended with code 9"):
        settled(mortal_tools, [grade("a", "die")], {})


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs(workers, timeout=60)
    assert (len(gone), alive) == (2, [])
