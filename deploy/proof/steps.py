"""The steps of the proof, in their order; each claims something about the running system."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from deploy.proof import asking, miniature, studies, watching
from deploy.proof.engine import Containers, eventually
from deploy.proof.vllm import OnVllm
from shared.clients.platform import PlatformClient

# Grafana's image is the only one that the proof does without: nothing depends on it.
SERVICES = ("redis", "student", "oracle", "trainer", "pipeline", "gateway", "prometheus")
KILLED = ("pipeline", "oracle", "student", "redis", "gateway", "trainer", "prometheus")
TIMES = int(os.environ.get("IDIOLECT_PROOF_TIMES", "4"))
GATEWAY_BYTES = 220_000_000
HEALTHY_SECONDS = 400.0
CUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Door:
    """Where the API is published, and a key of it."""

    url: str
    key: str


class Proof:
    """What is known while the proof goes on.

    Attributes:
        told: figures for the reader. jobs: records that a job must still have at the end.
    """

    def __init__(self, containers: Containers, door: Door, folder: Path, *, with_vllm: bool) -> None:
        self._containers, self._url, self._key, self._folder = containers, door.url, door.key, folder
        self._vllm = OnVllm(containers, SERVICES) if with_vllm else None
        self._profile = ""
        self._undisturbed = b""
        self.jobs: dict[str, bytes] = {}
        self.told: dict[str, object] = {}

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Name and action of each."""
        yield "build", self.build
        yield "up --wait", self.up
        yield "a job equals the embedded run", self.equals_embedded
        yield "a batch by the official OpenAI client", self.batch
        yield "a job to which nothing happens", self.undisturbed
        yield "main processes killed from the host", self.killed
        yield "the network to Redis cut", self.cut
        yield "scaled to three hosts of workers", self.scaled
        yield "the transformers engine", self.transformers
        yield "the miniature trained and evaluated", self.trained
        yield "a study whose host is killed equals one run here", self.studied
        if vllm := self._vllm:
            yield "vLLM as student, and as the API that the oracle asks", lambda: self.on_vllm(vllm)
        yield "every expression finds data", self.watched
        yield "down, and up again with the volumes kept", self.restarted
        yield "backed up, all volumes lost, and restored", self.restored

    def build(self) -> None:
        """Every image; the gateway's is small."""
        built = [one for one in (*SERVICES, studies.SERVICE) if one not in ("redis", "prometheus")]
        self._containers.compose("build", "-q", *built)
        names = [f"idiolect-{one}" for one in built]
        sizes = {name: self._containers.size(f"{name}:0.1.0") for name in names}
        base = self._containers.size("python:3.11-slim-bookworm")
        self.told["bytes above the base"] = {name: size - base for name, size in sizes.items()}
        assert sizes["idiolect-gateway"] - base <= GATEWAY_BYTES, "the gateway's image is too large"

    def up(self) -> None:
        """All services become healthy one after another; nothing but the API is published."""
        self._up()
        with self._client() as client:
            assert list(client.jobs()) == [], "a fresh installation has no jobs"

    def equals_embedded(self) -> None:
        """The same bytes, whether the work is done in one process or in six containers."""
        here = asking.embedded(self._folder / "here.jsonl")
        with self._client() as client:
            job = client.submit(asking.DEMO)
            self._remember(job.id, asking.records(client, job.id))
        assert self.jobs[job.id] == here, "the records differ from those of the embedded run"

    def batch(self) -> None:
        """Files and batches are those of the OpenAI API."""
        found = asking.batch(self._url, self._key)
        assert found == ["incorrect"] * 3 + ["correct"] + ["incorrect"] * 2, str(found)

    def undisturbed(self) -> None:
        """What the same lines must come to, whatever happens."""
        with self._client() as client:
            rows = [(one["problem"], "\n".join(one["steps"])) for one in asking.repeated(1)]
            self._profile = client.build_student("proof", rows).id
            self._undisturbed = self._job(client, lambda _: None)

    def killed(self) -> None:
        """Nothing is lost, and nothing there twice, though every part dies in the middle."""
        with self._client() as client:
            assert self._job(client, lambda job: self._kill_all(client, job)) == self._undisturbed, (
                "records differ"
            )

    def cut(self) -> None:
        """A host of workers that loses Redis goes on once it is back."""

        def cut(job: str) -> None:
            asking.reach(client, job, 0.1)
            assert not client.job(job).ended, "the job ended before the cut"
            self._containers.cut("pipeline", "broker", CUT_SECONDS)

        with self._client() as client:
            assert self._job(client, cut) == self._undisturbed, "records differ"

    def scaled(self) -> None:
        """Three hosts of workers share a job, and Prometheus finds them all."""
        self._up("--scale", "pipeline=3")
        with self._client() as client:
            assert self._job(client, lambda _: None) == self._undisturbed, "records differ"
        eventually(lambda: watching.targets(self._containers).get("pipeline") == 3, "three targets", 60)
        self.told["targets"] = watching.targets(self._containers)

    def transformers(self) -> None:
        """A real language model samples and scores in the student's container."""
        self._up("--scale", "pipeline=3", STUDENT_ENGINE="transformers")
        asked = {"problem": "What is 6 + 1?", "n": 2, "max_tokens": 16}
        with self._door() as client:
            for _ in range(3):
                answer = client.post("/v1/rollouts", json=asked)
                assert answer.status_code == 200, answer.text
        self.told["student"] = answer.json()["model"]
        with self._client() as client:
            assert client.scores([("What is 6 + 1?", "6 + 1 = 7")])[0].nll is not None, "no score"

    def trained(self) -> None:
        """The trainer trains a student, the student takes it up without a restart, and both are evaluated."""
        miniature.bring(self._containers)
        self._up("--scale", "pipeline=3", **miniature.ENVIRONMENT)
        with self._client() as client:
            self.told["miniature"] = miniature.trained_and_evaluated(self._containers, client, self._folder)

    def studied(self) -> None:
        """A study outlives its host, and its table is that of a study in one process on this machine."""
        with self._client() as client, self._door() as door:
            there = studies.in_a_container(self._containers, client, door)
        assert there == studies.here(self._folder / "study"), "the tables differ"

    def on_vllm(self, vllm: OnVllm) -> None:
        """The image of the GPU host, built for processors: it samples, and an oracle asks an API over it."""
        self.told["bytes of vLLM's image"] = vllm.build()
        vllm.up()
        self.told["student on vLLM"] = vllm.sampled(self._url, self._key)
        with self._client() as client:
            assert vllm.refined(client, self._profile), "the refinement with an API as oracle has no record"
        spent = 'sum(idiolect_tokens_total{service="oracle", direction="out"}) > 0'
        eventually(
            lambda: watching.answers(self._containers, [spent])[spent], "tokens that the API wrote", 60
        )
        vllm.end()
        # The student and the oracle of before; this one's oracle asks an API that is gone.
        self._up()

    def watched(self) -> None:
        """Dashboards and rules ask for what is there."""
        with self._client() as client:
            asking.records(client, client.submit(asking.DEMO).id)
        asked = [*watching.dashboard_expressions(), *watching.recorded_names()]
        self.told["expressions"] = len(asked)
        not_here = watching.not_here(asked, vllm=self._vllm is not None)
        self.told["expressions without data here"] = not_here
        asked = [one for one in asked if one not in not_here]
        missing = asked

        def found() -> bool:
            nonlocal missing
            missing = watching.without_data(self._containers, asked)
            return not missing

        try:
            eventually(found, "data for every expression", 60)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; none for {missing}") from None

    def restarted(self) -> None:
        """What was accepted outlives its containers."""
        self._containers.compose("down", "--timeout", "60")
        self._up()
        self._check_jobs()

    def restored(self) -> None:
        """What a backup holds is found again where nothing was left, profiles and all."""
        backup = self._folder / "backup.tar.gz"
        self._containers.script("backup.sh", str(backup))
        self.told["bytes of the backup"] = backup.stat().st_size
        self._containers.compose("down", "--volumes", "--timeout", "60")
        self._containers.script("restore.sh", str(backup))
        self._up()
        self._check_jobs()
        with self._client() as client:
            assert self._job(client, lambda _: None) == self._undisturbed, "records differ under the profile"

    def _check_jobs(self) -> None:
        """Every job that was accepted is there, with its records."""
        with self._client() as client:
            there = {job.id for job in client.jobs()}
            assert self.jobs.keys() <= there, "jobs are lost"
            for job, found in self.jobs.items():
                assert b"".join(client.results(job)) == found, f"the records of {job} have changed"

    def _up(self, *options: str, **environment: str) -> None:
        self._containers.compose("up", "-d", "--no-build", "--wait", *options, *SERVICES, **environment)

    @contextmanager
    def _client(self) -> Iterator[PlatformClient]:
        with PlatformClient(self._url, self._key, patience=HEALTHY_SECONDS) as client:
            yield client

    def _door(self) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self._key}"}
        return httpx2.Client(base_url=self._url, headers=headers, timeout=300)

    def _job(self, client: PlatformClient, disturb: Callable[[str], None]) -> bytes:
        """The records of the proof's job, which is disturbed on its way; each line is there once."""
        job = client.submit(asking.repeated(TIMES), config={"profile": self._profile})
        disturb(job.id)
        self._remember(job.id, asking.records(client, job.id))
        return self.jobs[job.id]

    def _kill_all(self, client: PlatformClient, job: str) -> None:
        """Each dies a little later than the one before, whether that one is back or not."""
        before = {service: self._containers.restarts(service) for service in KILLED}
        for number, service in enumerate(KILLED):
            asking.reach(client, job, 0.05 + 0.12 * number)
            assert not client.job(job).ended, f"the job ended before {service} was killed"
            self._containers.kill_main_process(service)
        eventually(lambda: all(self._back(*one) for one in before.items()), "all again", HEALTHY_SECONDS)

    def _back(self, service: str, before: int) -> bool:
        return self._containers.healthy(service) and self._containers.restarts(service) > before

    def _remember(self, job: str, found: bytes) -> None:
        assert found, f"{job} has no records"
        self.jobs[job] = found
