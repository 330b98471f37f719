"""What the containers' descriptions promise, as far as it can be read without an engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("weights", "student", "oracle", "trainer", "pipeline", "gateway")
STOPPED = (*OURS[1:], "studies")
BOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
DOCKERFILES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))
# What Prometheus makes of the names that the code gives.
ENDINGS = re.compile(r"_(total|bucket|sum|count)$")


def expressions(board: Path) -> list[str]:
    panels = json.loads(board.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def rule_files() -> str:
    return "".join((DEPLOY / "prometheus" / name).read_text() for name in ("rules.yml", "alerts.yml"))


def metrics_in_code() -> str:
    houses = (ROOT / "shared", ROOT / "services")
    return "\n".join(path.read_text() for house in houses for path in house.rglob("*.py"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_limits_of_memory_and_processes(name: str) -> None:
    assert {"mem_limit", "pids_limit"} <= SERVICES[name].keys()


def test_only_the_api_and_grafana_are_published_and_grafana_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == {"gateway", "grafana"}
    assert published["grafana"] == ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"]


@pytest.mark.parametrize("name", ["redis", "student", "oracle", "trainer", "prometheus"])
def test_a_part_without_a_door_reaches_nothing_beyond_the_host(name: str) -> None:
    inner = {one for one, network in COMPOSE["networks"].items() if network.get("internal")}
    assert set(SERVICES[name]["networks"]) <= inner


def test_student_and_oracle_start_one_after_the_other() -> None:
    assert SERVICES["oracle"]["depends_on"]["student"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_variable_holds_a_secret(name: str) -> None:
    told = SERVICES[name].get("environment", {})
    secret = [key for key in told if re.search(r"(PASSWORD|TOKEN|SECRET|KEYS?)$", key)]
    assert secret == []


@pytest.mark.parametrize("name", STOPPED)
def test_a_container_is_given_longer_to_stop_than_its_service_takes(name: str) -> None:
    assert SERVICES[name]["stop_grace_period"] == "45s"


@pytest.mark.parametrize("name", OURS[1:])
def test_every_service_is_told_where_spans_go(name: str) -> None:
    told = SERVICES[name]["environment"]
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "${OTEL_EXPORTER_OTLP_ENDPOINT:-}"


def test_every_variable_of_the_compose_files_stands_in_the_example() -> None:
    files = [ROOT / "docker-compose.yml", *DEPLOY.glob("compose.*.yml")]
    used = {name for file in files for name in re.findall(r"\$\{([A-Z_]+)", file.read_text())}
    example = (ROOT / ".env.example").read_text()
    assert {name for name in used if not re.search(rf"^(# )?{name}=", example, re.M)} == set()


def test_a_copy_of_the_example_changes_no_default() -> None:
    """Whatever has several defaults, by the files that are used, is commented out."""
    texts = [path.read_text() for path in (ROOT / "docker-compose.yml", *DEPLOY.glob("compose.*.yml"))]
    found = {one for text in texts for one in re.findall(r"\$\{(\w+):?-([^}]*)\}", text)}
    names = [name for name, _ in found]
    example = (ROOT / ".env.example").read_text()
    several = {name for name in names if names.count(name) > 1}
    assert several
    assert {name for name in several if re.search(rf"^{name}=", example, re.M)} == set()


@pytest.mark.parametrize("job", ["student", "oracle"])
@pytest.mark.parametrize("accepted", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_what_vllm_tells_is_found_under_its_name(job: str, accepted: str) -> None:
    """Prometheus asks for OpenMetrics, in which the client of Python writes no colon into a sample's name."""
    registry = CollectorRegistry()
    Gauge("vllm:num_requests_running", "As vLLM tells it.", registry=registry)
    page = choose_encoder(accepted)[0](registry).decode()
    (sample,) = re.findall(r"^(vllm\S+) ", page, re.M)
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (rule,) = next(one for one in jobs if one["job_name"] == job)["metric_relabel_configs"]
    matched = re.fullmatch(rule["regex"], sample)
    stored = rule["replacement"].replace("$1", matched[1]) if matched else sample
    assert stored == "vllm:num_requests_running"


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.stem)
def test_a_dockerfile_has_a_user_a_health_check_labels_and_bases_by_argument(file: Path) -> None:
    text = file.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.M)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.M))
    assert all(base == "scratch" or base.startswith("${") or base in stages for base in bases)
    assert all(part in text for part in ("USER 10001", "HEALTHCHECK", "org.opencontainers.image.title"))


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_metrics_that_somebody_tells(board: Path) -> None:
    code = metrics_in_code()
    asked = {name for one in expressions(board) for name in re.findall(r"\bidiolect_\w+", one)}
    assert {name for name in asked if ENDINGS.sub("", name) not in code} == set()


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_holds_nothing_that_grafana_does_not_know(board: Path) -> None:
    """Read into Grafana's own types and written again, it has lost and changed nothing."""
    register_default_plugins()
    given = json.loads(board.read_text())
    assert list(lost(given, json.loads(JSONEncoder().encode(Dashboard.from_json(given))))) == []


def test_a_field_that_grafana_does_not_know_is_found() -> None:
    given = {"title": "ours", "panels": [{"type": "timeseries", "titel": "typo"}]}
    register_default_plugins()
    found = list(lost(given, json.loads(JSONEncoder().encode(Dashboard.from_json(given)))))
    assert found == [".panels[0].titel"]


def lost(given: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Paths in `given` that are missing from `kept`, or differ there."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            yield from lost(value, kept.get(name), f"{path}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, value in enumerate(given):
            yield from lost(value, kept[number], f"{path}[{number}]")
    elif given != kept:
        yield path


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_what_a_dashboard_takes_from_rules_is_recorded(board: Path) -> None:
    recorded = set(re.findall(r"record: (\S+)", rule_files()))
    asked = {name for one in expressions(board) for name in re.findall(r"\bidiolect:[\w:]+", one)}
    assert asked <= recorded


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
@pytest.mark.parametrize("name", ["rules_test.yml", "alerts_test.yml"])
def test_rules_and_alerts_pass_their_own_tests(name: str) -> None:
    tests = DEPLOY / "prometheus" / "tests" / name
    done = subprocess.run(["promtool", "test", "rules", str(tests)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
