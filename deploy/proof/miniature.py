"""The miniature student in containers: brought, asked, trained, served without a restart, asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.proof import asking
from deploy.proof.engine import PROJECT, Containers, eventually
from services.embedded.miniature.expressions import solution
from services.embedded.miniature.problems import Split, problems
from services.embedded.miniature.shipped import student_folder
from shared.clients.platform import PlatformClient
from shared.domain.training import TrainingSettings, TrainingState
from shared.jobs.order import Operation

TENANT = "proof"
FOLDER = "/data/models/miniature"
# What would stand in .env: the miniature is served, may be trained, and gives way to what is published.
ENVIRONMENT = {
    "STUDENT_ENGINE": "transformers",
    "STUDENT_MODEL": FOLDER,
    "STUDENT_FOLLOWS": "file:/data/store",
    "TRAINER_BASES": f"student={FOLDER}",
}
# Long enough for Prometheus to look in, which it does every 5 s.
ROWS, STEPS = 320, 80
PROBLEMS, SAMPLES = 40, 2
FOLLOW_SECONDS = 120.0
_SETTINGS = TrainingSettings(batch_size=16, steps=STEPS, learning_rate=1e-3, precision="float32", seed=1)
# Run inside the network of the project, where the services are: no route tells what all tenants are served.
_SERVE = """
import sys
from shared.clients.trainer import TrainerClient
from shared.rpc.channel import Target
with TrainerClient(Target("trainer:50053"), tenant=sys.argv[1]) as trainer:
    trainer.serve(*sys.argv[2:])
"""
_SERVED = """
from shared.clients.student import StudentClient
from shared.rpc.channel import Target
with StudentClient(Target("student:50051")) as student:
    print(student.info.digest)
"""


def bring(containers: Containers) -> None:
    """Put the shipped student into the volume of weights, as the operator does with a folder of their own."""
    volumes = ("-v", f"{PROJECT}_models:/data/models", "-v", f"{student_folder()}:/from:ro")
    copied = f"cp -rL /from {FOLDER} && chown -R 10001:10001 /data/models"
    containers.run(*volumes, "--user", "0", "--entrypoint", "sh", "idiolect-trainer:0.1.0", "-c", copied)


def trained_and_evaluated(containers: Containers, client: PlatformClient, folder: Path) -> dict[str, Any]:
    """Figures of the student before and after a training on right solutions in its own words."""
    before = _evaluated(client, folder / "problems.jsonl")
    training = _begun(client, folder / "rows.jsonl")
    steps = [step for _, step in client.watch_training(training) if step is not None]
    ended = client.training(training)
    assert ended.state is TrainingState.SUCCEEDED, f"the training ended {ended.state}: {ended.error}"
    assert len(steps) == STEPS, f"{len(steps)} of {STEPS} steps were told"
    assert ended.digest is not None, "the training published nothing"
    _in_trainer(containers, _SERVE, TENANT, "graduate", ended.digest)
    eventually(
        lambda: _in_trainer(containers, _SERVED) == ended.digest,
        "the student serves what was trained",
        FOLLOW_SECONDS,
    )
    after = _evaluated(client, folder / "problems.jsonl")
    assert after["model"] == ended.digest, f"{after['model']} was asked, not {ended.digest}"
    return {"before": before, "after": after, "loss": [steps[0].loss, steps[-1].loss]}


def _begun(client: PlatformClient, path: Path) -> str:
    """A training on right solutions in the student's own words."""
    rows = (
        {"prompt": one.text, "completion": solution(one, "native", number)}
        for number, one in enumerate(problems(1, ROWS))
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return client.train(path, "graduate", "student", _SETTINGS, arm="native").id


def _evaluated(client: PlatformClient, path: Path) -> dict[str, Any]:
    """Model, Avg@k with its interval, and counts, of an evaluation that has ended."""
    drawn = problems(9001, PROBLEMS, Split.EVALUATION)
    rows = ({"id": one.id, "problem": one.text, "gold": one.gold} for one in drawn)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    job = client.submit(path, Operation.EVALUATE, {"samples": SAMPLES, "max_tokens": 120})
    asking.records(client, job.id)
    told = dict(client.evaluation_summary(job.id))
    assert told["without_record"] == 0, f"{told['without_record']} problems have no samples"
    return {name: told[name] for name in ("model", "problems", "k", "avg", "undecided", "truncated")}


def _in_trainer(containers: Containers, script: str, *arguments: str) -> str:
    return containers.compose("exec", "-T", "trainer", "python", "-c", script, *arguments).strip()
