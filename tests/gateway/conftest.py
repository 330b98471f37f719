"""Gateways on loopback, with a worker at their desk where one is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "services"))
sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
sys.path.append(str(Path(__file__).parents[1] / "trainer"))

from desk_worker import DeskWorker
from engines import Engines
from running_gateway import BERT, KEYS, RunningGateway


@pytest.fixture(scope="session")
def gateway() -> Iterator[RunningGateway]:
    """Two tenants, and a worker that keeps what comes."""
    with RunningGateway("memory:", keys=KEYS) as running, DeskWorker(running.desk):
        yield running


@pytest.fixture(scope="session")
def idle_gateway() -> Iterator[RunningGateway]:
    """Two tenants, and nobody who works."""
    with RunningGateway("memory:", keys=KEYS) as running:
        yield running


@pytest.fixture
def anna(gateway: RunningGateway) -> Iterator[httpx2.Client]:
    """A tenant."""
    with gateway.client() as client:
        yield client


@pytest.fixture
def bert(gateway: RunningGateway) -> Iterator[httpx2.Client]:
    """Another tenant of the same gateway."""
    with gateway.client(BERT) as client:
        yield client


@pytest.fixture
def waiting_anna(idle_gateway: RunningGateway) -> Iterator[httpx2.Client]:
    """A tenant whose jobs nobody works on."""
    with idle_gateway.client() as client:
        yield client


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """A student and an oracle."""
    with Engines(tmp_path_factory.mktemp("engines")) as started:
        yield started
