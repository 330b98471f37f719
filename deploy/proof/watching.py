"""Runs every expression of dashboards, rules and alerts against the Prometheus of the running system."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from deploy.proof.engine import ROOT, Containers

# Told by vLLM alone.
OF_VLLM = re.compile(r"vllm:|idiolect_engine_batch_size")
# Run inside the network of the project, since Prometheus is published nowhere.
_ASK = """
import json, sys, urllib.parse, urllib.request
def ask(expression):
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen("http://prometheus:9090/api/v1/query?" + query) as answer:
        return json.load(answer)["data"]["result"]
print(json.dumps({expression: ask(expression) for expression in json.load(sys.stdin)}))
"""


def dashboard_expressions() -> list[str]:
    """Those of all panels, each once."""
    boards = (json.loads(path.read_text()) for path in sorted(_in("grafana/dashboards").glob("*.json")))
    found = (target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"])
    return list(dict.fromkeys(found))


def recorded_names() -> list[str]:
    """The names under which rules record."""
    return re.findall(r"- record: (\S+)", (_in("prometheus") / "rules.yml").read_text())


def answers(containers: Containers, expressions: list[str]) -> dict[str, list[Any]]:
    """What Prometheus answers to each; RuntimeError where it refuses one."""
    asked = ("exec", "-T", "gateway", "python", "-c", _ASK)
    found: dict[str, list[Any]] = json.loads(containers.compose(*asked, given=json.dumps(expressions)))
    return found


def without_data(containers: Containers, expressions: list[str]) -> list[str]:
    """Expressions that found nothing in the last hour.

    Some, such as the loss of a training, are there for as long as what they tell of.
    """
    hour = {one: f"last_over_time(({one})[1h:5s])" for one in expressions}
    found = answers(containers, list(hour.values()))
    return [one for one, asked in hour.items() if not found[asked]]


def targets(containers: Containers) -> dict[str, int]:
    """How many targets of each job are scraped."""
    series = answers(containers, ["up == 1"])["up == 1"]
    jobs = [one["metric"]["job"] for one in series]
    return {job: jobs.count(job) for job in sorted(set(jobs))}


def _in(folder: str) -> Path:
    return ROOT / "deploy" / folder


def not_here(expressions: list[str], *, vllm: bool) -> list[str]:
    """Those that can't find anything here; `vllm`: whether it has run."""
    return [] if vllm else [one for one in expressions if OF_VLLM.search(one)]
