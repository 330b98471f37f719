"""Puts the gateway together."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI
from prometheus_client import REGISTRY, CollectorRegistry

from services.gateway.auth import Keys, read_keys
from services.gateway.bodies import Intake
from services.gateway.contract import describe
from services.gateway.door import Door
from services.gateway.errors import handle_errors
from services.gateway.expiring import FileCollector
from services.gateway.figures import GatewayFigures
from services.gateway.health import TRAINER, Look, Probes, redis_look, service_look, store_look
from services.gateway.house import House
from services.gateway.limits import RateLimit
from services.gateway.routes import (
    batches,
    evaluations,
    files,
    health,
    jobs,
    refinements,
    rollouts,
    scores,
    students,
    studies,
    trainings,
    verifications,
)
from services.gateway.settings import GatewaySettings
from services.gateway.sweeping import Sweeper
from services.gateway.workers import RedisWorkers
from shared.clients.oracle import OracleClient
from shared.clients.student import StudentClient
from shared.clients.trainer import TrainerClient
from shared.errors import FieldError
from shared.jobs.desk import JobDesk
from shared.jobs.places import Place
from shared.store import Store, open_store, prove
from shared.tenants import read_promises
from shared.version import VERSION

_THREADS = 64
_NOUNS = (
    refinements,
    files,
    batches,
    jobs,
    students,
    scores,
    verifications,
    rollouts,
    evaluations,
    trainings,
    studies,
    health,
)


def build(settings: GatewaySettings, registry: CollectorRegistry = REGISTRY) -> FastAPI:
    """The gateway as it is set up. FieldError for settings that can't be used."""
    keys = read_keys(settings.keys, settings.key_file)
    if not len(keys) and not settings.on_loopback:
        cure = "make a key with: python -m services.gateway key TENANT; or listen on 127.0.0.1"
        raise FieldError(
            "IDIOLECT_GATEWAY_LISTEN", f"{settings.listen} is open to others and no key is set", cure
        )
    _check_apart(settings.store, keys)
    store = open_store(settings.store)
    prove(store)
    student = (
        None
        if settings.student is None
        else StudentClient(settings.target(settings.student, "IDIOLECT_STUDENT"))
    )
    oracle = (
        None if settings.oracle is None else OracleClient(settings.target(settings.oracle, "IDIOLECT_ORACLE"))
    )
    trainer = (
        None
        if settings.trainer is None
        else TrainerClient(settings.target(settings.trainer, "IDIOLECT_TRAINER"))
    )
    house = House(
        settings,
        store,
        JobDesk(store),
        GatewayFigures(registry),
        Intake(settings.uploads),
        student,
        oracle,
        trainer=trainer,
    )
    if settings.redis_url is not None:
        house.nudge = house.interactive = RedisWorkers(settings.redis_url)
    return app_of(house, keys, Probes(_looks(settings, store)))


def _check_apart(store: str, keys: Keys) -> None:
    """No caller may be let into the store itself."""
    if not store.startswith("s3://"):
        return
    own = Place.of_folder("IDIOLECT_STORE", f"{store.rstrip('/')}/") if store.count("/") > 2 else None
    bucket = store.removeprefix("s3://").partition("/")[0]
    for prefix in keys.prefixes():
        if prefix.bucket == bucket and (own is None or prefix.overlaps(own)):
            problem = f"{prefix} and the artifact store {store} lie in one another"
            raise FieldError("prefixes", problem, "keep them apart")


def _looks(settings: GatewaySettings, store: Store) -> dict[str, Look]:
    looks = {"store": store_look(store)}
    if settings.redis_url is not None:
        looks["redis"] = redis_look(settings.redis_url)
    for name, address in _services(settings):
        if address is not None:
            looks[name] = service_look(settings.target(address, name))
    return looks


def _services(settings: GatewaySettings) -> tuple[tuple[str, str | None], ...]:
    """Names and addresses of the services that are asked over gRPC."""
    return ("student", settings.student), ("oracle", settings.oracle), (TRAINER, settings.trainer)


def app_of(house: House, keys: Keys, probes: Probes) -> FastAPI:
    """The app of these parts."""
    app = FastAPI(
        title="Idiolect",
        version=VERSION,
        description="Repairs the logic of a student model's reasoning and leaves its idiolect alone.",
        lifespan=_living,
        docs_url=None,
        redoc_url=None,
        # The door makes the span of a request; FastAPI's own would tell addresses and queries too.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.house = house
    app.state.probes = probes
    app.state.sweeper = Sweeper(house)
    app.state.collector = FileCollector(house, keys.tenants(), read_promises(house.settings.key_file))
    app.state.stopping = threading.Event()
    for noun in _NOUNS:
        app.include_router(noun.router)
    handle_errors(app)
    rates = RateLimit(house.settings.requests_per_minute)
    app.add_middleware(Door, keys=keys, settings=house.settings, rates=rates, figures=house.figures)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


@contextlib.asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[None]:
    """Batches are looked after as long as the app lives; connections end with it."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    running = [asyncio.create_task(part.run()) for part in (app.state.sweeper, app.state.collector)]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for client in (app.state.house.student, app.state.house.oracle, app.state.house.trainer):
            if client is not None:
                client.close()
