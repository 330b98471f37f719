"""The chart for Kubernetes: linted strictly, rendered, and held against the schemas of Kubernetes itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "idiolect"
CASES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "everything on": {
        "pipeline": {"keda": True},
        "trainer": {"enabled": True},
        "studies": {"enabled": True},
        "serviceMonitor": True,
        "storeSecret": "bucket",
        "serviceAccount": "idiolect",
        "otlpEndpoint": "http://collector.monitoring:4318",
    },
    "a training over several nodes": {
        "trainer": {"enabled": True, "nodes": 3, "gpus": 8, "stateClaim": "trainings"}
    },
    "without a GPU": {
        "student": {"engine": "transformers", "image": "idiolect-student", "gpus": 0},
        "oracle": {"engine": "rules", "image": "idiolect-oracle", "gpus": 0},
    },
}


def rendered(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All objects that the chart makes."""
    files = helm.Chart.load(CHART).render(values, name="idiolect", namespace="idiolect")
    for name, text in files.items():
        if name.endswith(".yaml"):
            yield from (found for found in yaml.safe_load_all(text) if found)


def pods(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kinds = ("Deployment", "StatefulSet")
    return (one["spec"]["template"]["spec"] for one in rendered(values) if one["kind"] in kinds)


@pytest.mark.parametrize("values", CASES.values(), ids=list(CASES))
def test_the_chart_passes_a_strict_lint(values: dict[str, Any]) -> None:
    assert helm.lint(CHART, values, strict=True)["errors"] == []


@pytest.mark.parametrize("values", CASES.values(), ids=list(CASES))
def test_what_it_makes_is_what_kubernetes_takes(values: dict[str, Any]) -> None:
    own = (one for one in rendered(values) if not one["apiVersion"].startswith(("keda.", "monitoring.")))
    for found in own:
        kubernetes_validate.validate(found, "1.31", strict=True)


@pytest.mark.parametrize("case", ["everything on", "a training over several nodes"])
def test_every_pod_is_restricted(case: str) -> None:
    for pod in pods(CASES[case]):
        container = pod["containers"][0]["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["capabilities"] == {"drop": ["ALL"]}
        assert container["readOnlyRootFilesystem"] is True


def test_a_host_without_gpus_asks_for_none() -> None:
    limits = [pod["containers"][0]["resources"]["limits"] for pod in pods(CASES["without a GPU"])]
    assert not any("nvidia.com/gpu" in one for one in limits)


def told(values: dict[str, Any], variable: str) -> list[str | None]:
    """The variable's value in each pod; None where it isn't set."""
    environments = [pod["containers"][0]["env"] for pod in pods(values)]
    return [next((one["value"] for one in env if one["name"] == variable), None) for env in environments]


def open_ports(values: dict[str, Any]) -> list[set[int]]:
    """What each policy that closes the way out leaves open."""
    specs = [one["spec"] for one in rendered(values) if one["kind"] == "NetworkPolicy"]
    return [
        {port["port"] for rule in spec["egress"] for port in rule["ports"]}
        for spec in specs
        if "egress" in spec
    ]


def test_no_pod_sends_spans_unless_it_is_told_where() -> None:
    assert set(told(CASES["as it is"], "OTEL_EXPORTER_OTLP_ENDPOINT")) == {None}
    assert open_ports(CASES["as it is"]) == [{53}, {53}]


def test_every_pod_is_told_of_the_collector() -> None:
    endpoints = told({**CASES["everything on"], "studies": {}}, "OTEL_EXPORTER_OTLP_ENDPOINT")
    assert (set(endpoints), len(endpoints)) == ({"http://collector.monitoring:4318"}, 5)


@pytest.mark.parametrize(
    ("enabled", "known"), [(True, {"dns:///idiolect-trainer:50053", None}), (False, {None})]
)
def test_the_gateway_is_told_of_a_trainer_where_there_is_one(enabled: bool, known: set[str | None]) -> None:
    values = {"trainer": {"enabled": enabled}}
    gateway = named(values, "Deployment", "gateway")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert set(told(values, "IDIOLECT_TRAINER_ADDRESS")) == known
    assert any(one["name"] == "IDIOLECT_TRAINER_ADDRESS" for one in gateway) is enabled


def test_the_folders_of_studies_stand_on_the_claim_that_is_named() -> None:
    values = {"studies": {"enabled": True, "stateClaim": "studies"}}
    volumes = named(values, "Deployment", "studies")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "state", "persistentVolumeClaim": {"claimName": "studies"}} in volumes


@pytest.mark.parametrize("models", ["/data/models/a", "a=", "=b"])
def test_students_of_studies_without_a_name_are_refused(models: str) -> None:
    with pytest.raises(helm.HelmError):
        helm.Chart.load(CHART).validate_schema({"studies": {"models": models}})


@pytest.mark.parametrize(
    ("endpoint", "port"), [("http://c:4318", 4318), ("https://c/otlp", 443), ("http://c.d", 80)]
)
def test_the_engines_may_reach_the_collector_and_nothing_more(endpoint: str, port: int) -> None:
    assert open_ports({"otlpEndpoint": endpoint}) == [{53, port}, {53, port}]


def test_a_store_that_loses_all_is_refused() -> None:
    with pytest.raises(helm.HelmError):
        helm.Chart.load(CHART).validate_schema({"store": "memory:"})


SEVERAL = CASES["a training over several nodes"]


def named(values: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The one object of that kind and name, without the release's name."""
    (found,) = [
        one
        for one in rendered(values)
        if (one["kind"], one["metadata"]["name"]) == (kind, f"idiolect-{name}")
    ]
    return found


def test_the_other_nodes_of_a_training_are_numbered_from_one() -> None:
    spec = named(SEVERAL, "StatefulSet", "trainer-node")["spec"]
    (rank,) = [
        one["valueFrom"]["fieldRef"]["fieldPath"]
        for one in spec["template"]["spec"]["containers"][0]["env"]
        if one["name"] == "IDIOLECT_TRAINER_RANK"
    ]
    assert (spec["replicas"], spec["ordinals"]) == (2, {"start": 1})
    assert rank == "metadata.labels['apps.kubernetes.io/pod-index']"


def test_all_nodes_of_a_training_meet_at_the_first_and_share_its_folder() -> None:
    trainers = [pod for pod in pods(SEVERAL) if pod["containers"][0]["name"].startswith("trainer")]
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for pod in trainers
        for volume in pod["volumes"]
        if volume["name"] == "state"
    ]
    meeting = [where for where in told(SEVERAL, "IDIOLECT_TRAINER_RENDEZVOUS") if where]
    service = named(SEVERAL, "Service", "trainer-rendezvous")["spec"]
    assert claims == ["trainings"] * 2
    assert meeting == ["idiolect-trainer-rendezvous:29500"] * 2
    assert service["selector"]["app.kubernetes.io/name"] == "trainer"


@pytest.mark.parametrize("policy", ["trainer", "trainer-node"])
def test_nodes_of_a_training_reach_each_other_at_the_ports_they_use(policy: str) -> None:
    rule = named(SEVERAL, "NetworkPolicy", policy)["spec"]["ingress"][0]
    ports = {
        (option["name"], option["value"])
        for pod in pods(SEVERAL)
        for option in pod["securityContext"].get("sysctls", [])
    }
    assert rule["from"][0]["podSelector"]["matchExpressions"][0]["values"] == ["trainer", "trainer-node"]
    assert rule["ports"] == [{"port": 29500}, {"port": 40000, "endPort": 49999}]
    assert ports == {("net.ipv4.ip_local_port_range", "40000 49999")}


def test_one_node_has_no_others() -> None:
    kinds = {one["kind"] for one in rendered(CASES["everything on"])}
    assert "StatefulSet" not in kinds


def test_several_nodes_without_a_shared_folder_are_refused() -> None:
    with pytest.raises(helm.HelmError, match=r"trainer\.stateClaim"):
        list(rendered({"trainer": {"enabled": True, "nodes": 2}}))
