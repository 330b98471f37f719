"""The HTTP API of a gateway, method by method."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared.clients.platform.bodies import Line, can_be_sent_again, opened, zipped
from shared.clients.platform.calls import Calls
from shared.clients.platform.rows import rows_after
from shared.clients.platform.trainings import Following, standing_of
from shared.clients.platform.views import Job, Score, StoredFile, Student, Verification, viewed
from shared.clients.platform.watching import Watching
from shared.domain.training import TrainingProgress, TrainingSettings, TrainingStanding
from shared.errors import FieldError, UnavailableError
from shared.jobs.order import Operation

_PAGE = 100
_FITTING_SECONDS = 900.0
_STARTING_SECONDS = 900.0
_TRAININGS = "/v1/trainings"
_STUDIES = "/v1/studies"


class PlatformClient:
    """A gateway at `url`, asked with `key`; safe to use from several threads.

    A gateway that is lost or busy is asked again, for up to `patience` seconds without any success and not
    before its Retry-After; then BusyError, or UnavailableError, is raised. Other errors are those that the
    gateway met: FieldError, NotFoundError, DriftError, UnsupportedError, BudgetError and so on.
    `timeout`: seconds that the gateway may be silent within an answer.
    """

    def __init__(
        self, url: str, key: str | None = None, *, patience: float = 60.0, timeout: float = 150.0
    ) -> None:
        self._calls = Calls(url, key, patience, timeout)

    def __enter__(self) -> PlatformClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._calls.close()

    def submit(
        self,
        lines: Path | Iterable[Line],
        operation: Operation = Operation.REFINE,
        config: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Job:
        """A job of these lines, durable once this returns.

        `lines` are a file of JSON Lines, or objects or their JSON; they are compressed and sent as they come.
        `config` has the names of the gateway's settings, ``lambda`` among them. The job is made under an
        Idempotency-Key, a new one unless it is given, so that a try after a lost answer finds it again; an
        iterator can't be sent twice and is tried once.
        """
        key = idempotency_key or uuid.uuid4().hex
        headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
            "Idempotency-Key": _header("idempotency_key", key),
        }
        settings = {name: value for name, value in (config or {}).items() if value is not None}

        def send() -> Job:
            asked = {"params": {"wait": 0, **settings}, "headers": headers, "content": zipped(lines)}
            return Job.of(self._calls.json("POST", f"/v1/{operation.value}", **asked))

        return self._calls.patiently(send) if can_be_sent_again(lines) else send()

    def upload(self, path: Path) -> str:
        """Store a file of JSON Lines; its id. FieldError where it can't be read."""

        def send() -> str:
            with opened(path) as stream:
                asked = {"data": {"purpose": "batch"}, "files": {"file": (path.name, stream)}}
                return viewed(StoredFile, self._calls.json("POST", "/v1/files", **asked)).id

        return self._calls.patiently(send)

    def submit_stored(
        self,
        source: str,
        operation: Operation = Operation.REFINE,
        config: Mapping[str, Any] | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        budget: int | None = None,
        webhook: str | None = None,
        output: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """A job of an uploaded file (its id) or of an ``s3://`` object that the key may read.

        `labels` are the caller's own. `budget`: most tokens to spend. `webhook`: who is told of the end.
        `output`: an ``s3://`` prefix for what comes of it. Under `idempotency_key` the job is made once.
        """
        place = "input" if source.startswith("s3://") else "input_file_id"
        given = {"labels": labels, "budget": budget, "webhook": webhook, "output": output}
        asked = {
            place: source,
            "operation": operation.value,
            "config": {name: value for name, value in (config or {}).items() if value is not None},
            **{name: value for name, value in given.items() if value is not None},
        }
        headers = {"Idempotency-Key": _header("idempotency_key", idempotency_key or uuid.uuid4().hex)}
        return Job.of(self._patiently("POST", "/v1/jobs", json=asked, headers=headers))

    def job(self, job_id: str) -> Job:
        """One job. NotFoundError where there is none."""
        return Job.of(self._patiently("GET", _job(job_id)))

    def jobs(self) -> Iterator[Job]:
        """All jobs, newest first, fetched page by page."""
        return (Job.of(shown) for shown in self._pages("/v1/jobs", "last_id"))

    def watch(self, job_id: str, poll_seconds: float = 2.0) -> Iterator[Job]:
        """The job at once and whenever it changed, until it has ended.

        By server-sent events, connected anew where they break; where none come, asked every `poll_seconds`.
        """
        _job(job_id)
        return Watching(self._calls, job_id, poll_seconds).states()

    def results(self, job_id: str, after: int = 0) -> Iterator[bytes]:
        """Records of the finished prefix behind line `after` of the input, each a line of JSON.

        All there are, if the job had ended before. Where the answer breaks off, it is gone on with.
        """
        return rows_after(self._calls, f"{_job(job_id)}/results", after)

    def errors(self, job_id: str, after: int = 0) -> Iterator[bytes]:
        """Lines of the finished prefix that have no record, and why; otherwise as `results`."""
        return rows_after(self._calls, f"{_job(job_id)}/errors", after)

    def cancel(self, job_id: str) -> Job:
        """Ask a job to end early; finished lines stay."""
        return Job.of(self._patiently("POST", f"{_job(job_id)}/cancel"))

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its lines and results; not tried again."""
        self._calls.json("DELETE", _job(job_id))

    def students(self) -> Iterator[Student]:
        """Profiles, by name, fetched page by page."""
        return (viewed(Student, shown) for shown in self._pages("/v1/students", "id"))

    def student(self, profile_id: str) -> Student:
        """One profile. NotFoundError where there is none."""
        return viewed(Student, self._patiently("GET", f"/v1/students/{_segment('student', profile_id)}"))

    def build_student(
        self,
        name: str,
        samples: Iterable[tuple[str, str]],
        *,
        alpha: float = 0.05,
        scorer: str = "proxy",
        native: bool = False,
    ) -> Student:
        """The profile of at least 200 (problem, the student's own text), sent at once as JSON."""
        listed = [{"problem": problem, "text": text} for problem, text in samples]
        asked = {"name": name, "samples": listed, "alpha": alpha, "scorer": scorer, "native": native}
        return viewed(Student, self._ask("/v1/students", asked, timeout=_FITTING_SECONDS))

    def scores(
        self, items: Sequence[tuple[str, str]], student: str | None = None, *, tokens: bool = False
    ) -> tuple[Score, ...]:
        """What up to 64 (problem, text) cost; without the id of a `student` the served model scores."""
        listed = [{"problem": problem, "text": text} for problem, text in items]
        found = self._ask("/v1/scores", {"items": listed, "student": student, "tokens": tokens})
        return tuple(viewed(Score, shown) for shown in _data(found))

    def verifications(self, items: Sequence[tuple[str, str | None]]) -> tuple[Verification, ...]:
        """Verdicts on up to 64 (text, gold)."""
        listed = [{"text": text, "gold": gold} for text, gold in items]
        return tuple(
            viewed(Verification, one) for one in _data(self._ask("/v1/verifications", {"items": listed}))
        )

    def evaluate_set(
        self, name: str, limit: int | None = None, config: Mapping[str, Any] | None = None
    ) -> Job:
        """A job that evaluates the student on a shipped set; for problems of your own see `submit`."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        settings = {key: value for key, value in (config or {}).items() if value is not None}
        asked = {"params": settings, "headers": headers, "json": {"set": name, "limit": limit}}
        return Job.of(self._patiently("POST", "/v1/evaluations", **asked))

    def evaluation_summary(self, job_id: str) -> Mapping[str, Any]:
        """The figures of an evaluation that has ended, as JSON; see `shared.evaluation.figures`."""
        return self._patiently("GET", f"/v1/evaluations/{_segment('job', job_id)}/summary")

    def compare_evaluations(self, first: str, second: str) -> Mapping[str, Any]:
        """Avg@k of the first job minus that of the second, with its interval, as JSON.

        Both must have ended, and asked the same problems equally often.
        """
        path = f"/v1/evaluations/{_segment('job', first)}/comparison"
        return self._patiently("GET", path, params={"with": second})

    def train(
        self,
        rows: Path | str,
        name: str,
        base: str,
        settings: TrainingSettings | None = None,
        *,
        most_cost: float | None = None,
        arm: str | None = None,
        instruction: str | None = None,
        system: str | None = None,
        idempotency_key: str | None = None,
    ) -> TrainingStanding:
        """A training of the allowed model `base` on `rows`, durable once this returns.

        `rows` are a file, which is uploaded, or the id of one that was, or that of a job of refinements or
        rollouts that has ended. `most_cost` takes of a job of refinements only what costs at most so much
        (nats a native token). `name` is that of the model that results; `arm` goes to its card.
        `instruction` and `system` are put around prompts that are plain texts. Under `idempotency_key`, a
        new one unless it is given, the training is begun once.
        """
        key = idempotency_key or uuid.uuid4().hex
        headers = {"Idempotency-Key": _header("idempotency_key", key)}
        given = {"most_cost": most_cost, "arm": arm, "instruction": instruction, "system": system}
        asked = {
            "name": name,
            "base_model": base,
            **_rows(self.upload(rows) if isinstance(rows, Path) else rows),
            "settings": asdict(settings or TrainingSettings()),
            **{field: value for field, value in given.items() if value is not None},
        }
        options = {"json": asked, "headers": headers, "timeout": _STARTING_SECONDS}
        return standing_of(self._patiently("POST", _TRAININGS, **options))

    def training(self, training_id: str) -> TrainingStanding:
        """One training. NotFoundError where there is none."""
        return standing_of(self._patiently("GET", _training(training_id)))

    def trainings(self) -> Iterator[TrainingStanding]:
        """All trainings, newest first, fetched page by page."""
        return (standing_of(shown) for shown in self._pages(_TRAININGS, "last_id"))

    def watch_training(
        self, training_id: str, after: int = 0, pause_seconds: float = 2.0
    ) -> Iterator[tuple[TrainingStanding, TrainingProgress | None]]:
        """Every step behind `after` as it is done, and at last how the training ended, without a step.

        By server-sent events, connected anew where they break, `pause_seconds` after one that ended early.
        """
        return Following(self._calls, _training(training_id), after, pause_seconds).steps()

    def cancel_training(self, training_id: str) -> TrainingStanding:
        """Ask a training to end early; it does so after its step."""
        return standing_of(self._patiently("POST", f"{_training(training_id)}/cancel"))

    def begin_study(
        self, config: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Mapping[str, Any]:
        """A study of that config, durable once this returns: what stands in its TOML file, as plain values.

        Shown as JSON, with its stages, why it waits, and why it failed. InputError, with the cure, for a
        key that may not run studies.
        """
        headers = {"Idempotency-Key": _header("idempotency_key", idempotency_key or uuid.uuid4().hex)}
        return self._patiently("POST", _STUDIES, json={"config": dict(config)}, headers=headers)

    def study(self, study_id: str) -> Mapping[str, Any]:
        """One study. NotFoundError where there is none."""
        return self._patiently("GET", _study(study_id))

    def studies(self) -> Iterator[Mapping[str, Any]]:
        """All studies, newest first, fetched page by page."""
        return self._pages(_STUDIES, "last_id")

    def cancel_study(self, study_id: str) -> Mapping[str, Any]:
        """Ask a study to end early."""
        return self._patiently("POST", f"{_study(study_id)}/cancel")

    def delete_study(self, study_id: str) -> None:
        """Delete a study that has ended, with its files and results; not tried again."""
        self._calls.json("DELETE", _study(study_id))

    def _ask(self, path: str, asked: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """A question that changes nothing, or the same each time. A part that is away is told at once."""
        return self._calls.patiently(
            lambda: self._calls.json("POST", path, json=asked, **options), also_unavailable=False
        )

    def _patiently(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        return self._calls.patiently(lambda: self._calls.json(method, path, **options))

    def _pages(self, path: str, cursor: str) -> Iterator[Mapping[str, Any]]:
        """Objects of all pages; `cursor` is the field, of a page or of its last object, to go on behind."""
        params: dict[str, Any] = {"limit": _PAGE}
        while True:
            page = self._patiently("GET", path, params=params)
            data = _data(page)
            yield from data
            if not page.get("has_more") or not data:
                return
            params["after"] = page.get(cursor) or data[-1].get(cursor)


def _data(page: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    data = page.get("data")
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise UnavailableError("the answer of the gateway holds no list; is its address right?")
    return data


def _study(study_id: str) -> str:
    return f"{_STUDIES}/{_segment('study', study_id)}"


def _rows(source: str) -> dict[str, str]:
    return {"input_job_id" if source.startswith("job-") else "input_file_id": source}


def _job(job_id: str) -> str:
    return f"/v1/jobs/{_segment('job', job_id)}"


def _training(training_id: str) -> str:
    return f"{_TRAININGS}/{_segment('training', training_id)}"


def _segment(field: str, name: str) -> str:
    if not name.strip("."):
        raise FieldError(field, f"is {name!r}", "give its id")
    return quote(name, safe="@")


def _header(field: str, value: str) -> str:
    if not value.isascii() or not value.isprintable() or value != value.strip() or not 1 <= len(value) <= 255:
        raise FieldError(field, "holds what no header can hold", "give 1 to 255 printable ASCII characters")
    return value
