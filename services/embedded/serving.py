"""Which services stand on this machine, with which settings, and what is told about them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.embedded.exits import DONE, INTERRUPTED
from services.embedded.supervisor.service import Lost, Ready
from services.embedded.supervisor.spec import Patience, ServiceSpec
from services.embedded.supervisor.supervisor import Supervisor

_HOST = "127.0.0.1"
_BASES = "IDIOLECT_TRAINER_BASES"
_BEYOND_DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """One service with a choice of engines.

    Attributes:
        engine: name of the engine. model: folder, file or hub name; None takes the engine's default.
        port, metrics_port: where it listens on loopback; 0 lets it choose.
    """

    engine: str
    model: str | None = None
    port: int = 0
    metrics_port: int = 0


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Workers for jobs, and a Redis server for them.

    Attributes:
        concurrency: shards that are worked at once. metrics_port: of the workers; 0 lets them choose.
    """

    concurrency: int = 2
    metrics_port: int = 0


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The HTTP door; it needs workers. `port`: where it listens on loopback; 0 lets it choose."""

    port: int = 0


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """The trainer, which has student and oracle sleep while it trains.

    Attributes:
        bases: models that may be trained, ``NAME=FOLDER``; None: as the environment says.
        port, metrics_port: where it listens on loopback; 0 lets it choose.
    """

    bases: str | None = None
    port: int = 0
    metrics_port: int = 0


@dataclass(frozen=True, slots=True)
class StudySettings:
    """The host of studies, which runs them one after the other.

    Attributes:
        models: students that studies may name, ``NAME=FOLDER``; None: as the environment says.
        processes: workers of a study; None: one a processor. metrics_port: 0 lets it choose.
    """

    models: str | None = None
    processes: int | None = None
    metrics_port: int = 0


def specs(
    student: ServiceSettings,
    oracle: ServiceSettings,
    state: Path | None = None,
    jobs: JobSettings | None = None,
    gateway: GatewaySettings | None = None,
    trainer: TrainerSettings | None = None,
    studies: StudySettings | None = None,
) -> tuple[ServiceSpec, ...]:
    """The services, in the order in which they start; `state` is the folder for what they keep.

    A gateway brings workers with it. With a trainer, the student serves what their store says.
    """
    follows = {} if trainer is None else {"IDIOLECT_STUDENT_STORE": _store(state)}
    found = [_spec("student", student, state, follows), _spec("oracle", oracle, state)]
    if trainer is not None:
        found.append(_trainer_spec(trainer, state))
    if jobs is not None or gateway is not None:
        found += _job_specs(jobs or JobSettings(), state)
    if studies is not None:
        found.append(_study_spec(studies, state))
    if gateway is not None:
        found.append(_gateway_spec(gateway, state, trains=trainer is not None))
    return tuple(found)


def own_base(model: str | None) -> str | None:
    """The student's model as the base ``student``; None where the environment or nobody names bases."""
    return f"student={model}" if model is not None and not os.environ.get(_BASES) else None


def _trainer_spec(trainer: TrainerSettings, state: Path | None) -> ServiceSpec:
    environment = {
        "IDIOLECT_STORE": _store(state),
        "IDIOLECT_LISTEN": f"{_HOST}:{trainer.port}",
        "IDIOLECT_METRICS_LISTEN": f"{_HOST}:{trainer.metrics_port}",
        **_kept(state),
    }
    if trainer.bases is not None:
        environment[_BASES] = trainer.bases
    command = (sys.executable, "-m", "services.trainer")
    return ServiceSpec("trainer", command, environment, ("student", "oracle"))


def _study_spec(studies: StudySettings, state: Path | None) -> ServiceSpec:
    environment = {
        "IDIOLECT_STORE": _store(state),
        "IDIOLECT_METRICS_LISTEN": f"{_HOST}:{studies.metrics_port}",
        **_kept(state),
    }
    told = {"MODELS": studies.models, "PROCESSES": studies.processes}
    environment |= {f"IDIOLECT_STUDYHOST_{name}": str(value) for name, value in told.items() if value}
    return ServiceSpec("studyhost", (sys.executable, "-m", "services.embedded.studyhost"), environment)


def _gateway_spec(gateway: GatewaySettings, state: Path | None, *, trains: bool) -> ServiceSpec:
    environment = {
        "IDIOLECT_STORE": _store(state),
        "IDIOLECT_GATEWAY_LISTEN": f"{_HOST}:{gateway.port}",
    }
    command = (sys.executable, "-m", "services.gateway")
    needs = ("student", "oracle", "redis", *(("trainer",) if trains else ()))
    return ServiceSpec("gateway", command, environment, needs)


def _job_specs(jobs: JobSettings, state: Path | None) -> tuple[ServiceSpec, ServiceSpec]:
    environment = {
        "IDIOLECT_STORE": _store(state),
        "IDIOLECT_PIPELINE_CONCURRENCY": str(jobs.concurrency),
        "IDIOLECT_METRICS_LISTEN": f"{_HOST}:{jobs.metrics_port}",
    }
    needs = ("student", "oracle", "redis")
    return (
        ServiceSpec("redis", (sys.executable, "-m", "services.embedded.broker")),
        ServiceSpec("pipeline", (sys.executable, "-m", "services.pipeline"), environment, needs),
    )


def store_folder(state: Path | None) -> Path:
    """Where jobs and their results are kept, below the folder of the services' state."""
    return (state or Path("out/state")).resolve() / "store"


def _store(state: Path | None) -> str:
    return f"file:{store_folder(state)}"


def _kept(state: Path | None) -> dict[str, str]:
    """Where a service keeps what isn't in the store."""
    return {} if state is None else {"IDIOLECT_STATE": str(state.resolve())}


def _spec(
    name: str, settings: ServiceSettings, state: Path | None, also: Mapping[str, str] | None = None
) -> ServiceSpec:
    prefix = f"IDIOLECT_{name.upper()}"
    environment = {
        f"{prefix}_ENGINE": settings.engine,
        "IDIOLECT_LISTEN": f"{_HOST}:{settings.port}",
        "IDIOLECT_METRICS_LISTEN": f"{_HOST}:{settings.metrics_port}",
        **_kept(state),
        **(also or {}),
    }
    if settings.model is not None:
        environment[f"{prefix}_MODEL"] = settings.model
    return ServiceSpec(name, (sys.executable, "-m", f"services.{name}"), environment)


def patience() -> Patience:
    """The usual one; services are killed only some time after their own `IDIOLECT_DRAIN_SECONDS` are over."""
    from shared.rpc.settings import ServingSettings, from_environment

    return Patience(drain=from_environment(ServingSettings).drain_seconds + _BEYOND_DRAIN_SECONDS)


def keep_up(services: Sequence[ServiceSpec], patience: Patience, *, as_json: bool) -> int:
    """Runs the services until a signal; the exit code.

    0: every service finished its work and ended. 130: some had to be killed, because a second signal came
    or their time was up.
    """
    with Supervisor(services, patience) as supervisor:
        ready: dict[str, Ready] = {}
        for event in supervisor.events():
            if isinstance(event, Lost):
                _say(f"{event.name} {event.reason}; it starts again in {event.delay:g} s")
                continue
            complete = len(ready) == len(services)
            ready[event.name] = event
            _tell(event, as_json)
            if as_json and not complete and len(ready) == len(services):
                print(json.dumps(_summary(supervisor.group, ready)), flush=True)
        _say("ending the services; once more to kill them")
    if supervisor.killed:
        _say(f"killed before they were done: {', '.join(supervisor.killed)}")
    return INTERRUPTED if supervisor.killed else DONE


def _tell(event: Ready, as_json: bool) -> None:
    """One line a door: on stdout, or on stderr where stdout is for JSON or the address is known already."""
    again = event.starts > 1
    for door, address in {"": event.doors.address, **event.doors.further}.items():
        line = f"{event.name:<10}{address:<22}{door}".rstrip() + (" again" if again else "")
        print(line, file=sys.stderr if as_json or again else sys.stdout, flush=True)


def _summary(group: int, ready: dict[str, Ready]) -> dict[str, object]:
    services = {
        name: {"address": event.doors.address, **event.doors.further, "pid": event.pid}
        for name, event in ready.items()
    }
    return {"group": group, "services": services}


def _say(line: str) -> None:
    print(f"idiolect: {line}", file=sys.stderr, flush=True)
