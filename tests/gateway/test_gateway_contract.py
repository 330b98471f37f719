"""The OpenAPI says what the gateway does, and the gateway does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from engines import Engines
from hypothesis import HealthCheck, given, settings
from prometheus_client import CollectorRegistry
from running_gateway import RunningGateway
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from serving_trainer import TrainerHouse

from services.gateway.app import build
from services.gateway.options import JSONL
from services.gateway.settings import GatewaySettings

APP = build(GatewaySettings(store="memory:", requests_per_minute=1_000_000), CollectorRegistry())
CONTRACT: dict[str, Any] = APP.openapi()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
]
ASKING = [pytest.param(one, id=name) for name, one in OPERATIONS if "requestBody" in one]
ALL = [pytest.param(one, id=name) for name, one in OPERATIONS]
TENANTS = [pytest.param(one, id=name) for name, one in OPERATIONS if " /v1/" in name]


@schemathesis.serializer(*JSONL)
def as_lines(ctx: Any, value: Any) -> Any:
    """JSON Lines are given as text."""
    return str(value).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def contract(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The contract of a gateway with a student, an oracle and a trainer."""
    folder = tmp_path_factory.mktemp("trainer")
    with TrainerHouse(folder, folder / "no-base") as house:
        yield _contract_of(engines, house)


def _contract_of(engines: Engines, house: TrainerHouse) -> Any:
    told = GatewaySettings(
        store="memory:",
        requests_per_minute=1_000_000,
        wait_seconds=0,
        student=engines.student.address,
        oracle=engines.oracle.address,
        trainer=house.address,
    )
    return schemathesis.openapi.from_asgi("/openapi.json", build(told, CollectorRegistry()))


CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance, unsupported_method]


@pytest.mark.parametrize("name", [name for name, _ in OPERATIONS])
def test_no_request_finds_a_failure_or_an_undocumented_answer(contract: Any, name: str) -> None:
    method, path = name.split()

    @given(case=contract[path][method].as_strategy())
    @settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        case.validate_response(case.call(), checks=CHECKS)

    ask()


def resolved(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas that one stands for."""
    if "$ref" in schema:
        return [CONTRACT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]]
    return [inner for part in schema.get("anyOf", ()) for inner in resolved(part)] or [schema]


def has_example(media: dict[str, Any]) -> bool:
    shown = [media, *resolved(media["schema"])]
    return any("example" in one or "examples" in one or "default" in one for one in shown)


@pytest.mark.parametrize("operation", ASKING)
def test_every_body_has_an_example(operation: dict[str, Any]) -> None:
    assert all(has_example(media) for media in operation["requestBody"]["content"].values())


@pytest.mark.parametrize("operation", ALL)
def test_every_answer_has_an_example(operation: dict[str, Any]) -> None:
    contents = [answer.get("content", {}) for answer in operation["responses"].values()]
    assert all(has_example(media) for content in contents for media in content.values())


@pytest.mark.parametrize("operation", TENANTS)
def test_every_route_of_a_tenant_tells_how_it_refuses(operation: dict[str, Any]) -> None:
    assert {"400", "401", "413", "429", "503"} <= operation["responses"].keys()


@pytest.mark.parametrize("operation", ALL)
def test_every_route_is_described(operation: dict[str, Any]) -> None:
    assert operation["description"]


@pytest.mark.parametrize("operation", TENANTS)
def test_every_route_of_a_tenant_asks_for_a_key(operation: dict[str, Any]) -> None:
    assert operation["security"] == [{"HTTPBearer": []}]


def test_references_lead_somewhere() -> None:
    text = str(CONTRACT)
    names = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= CONTRACT["components"]["schemas"].keys()


def test_no_answer_is_described_in_frameworks_own_shape() -> None:
    assert "HTTPValidationError" not in str(CONTRACT)


def test_the_contract_is_served() -> None:
    with RunningGateway("memory:") as running, running.client(None) as client:
        assert client.get("/openapi.json").json()["info"]["title"] == "Idiolect"
