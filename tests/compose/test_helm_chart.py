"""The chart for Kubernetes: linted strictly, rendered, and held against the schemas of Kubernetes itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

helm = pytest.importorskip("helm_python", reason="needs helm-python-sdk")
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "idiolect"
CASES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "everything on": {
        "pipeline": {"keda": True},
        "trainer": {"enabled": True},
        "serviceMonitor": True,
        "storeSecret": "bucket",
        "serviceAccount": "idiolect",
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
    deployments = (one for one in rendered(values) if one["kind"] == "Deployment")
    return (one["spec"]["template"]["spec"] for one in deployments)


@pytest.mark.parametrize("values", CASES.values(), ids=list(CASES))
def test_the_chart_passes_a_strict_lint(values: dict[str, Any]) -> None:
    assert helm.lint(CHART, values, strict=True)["errors"] == []


@pytest.mark.parametrize("values", CASES.values(), ids=list(CASES))
def test_what_it_makes_is_what_kubernetes_takes(values: dict[str, Any]) -> None:
    own = (one for one in rendered(values) if not one["apiVersion"].startswith(("keda.", "monitoring.")))
    for found in own:
        kubernetes_validate.validate(found, "1.31", strict=True)


def test_every_pod_is_restricted() -> None:
    for pod in pods(CASES["everything on"]):
        container = pod["containers"][0]["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["capabilities"] == {"drop": ["ALL"]}
        assert container["readOnlyRootFilesystem"] is True


def test_a_host_without_gpus_asks_for_none() -> None:
    limits = [pod["containers"][0]["resources"]["limits"] for pod in pods(CASES["without a GPU"])]
    assert not any("nvidia.com/gpu" in one for one in limits)


def test_a_store_that_loses_all_is_refused() -> None:
    with pytest.raises(helm.HelmError):
        helm.Chart.load(CHART).validate_schema({"store": "memory:"})
