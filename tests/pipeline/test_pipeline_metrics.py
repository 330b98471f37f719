"""What a host of workers tells Prometheus after a job, scraped as Prometheus does."""

from __future__ import annotations

from urllib.request import urlopen

import pytest
from house import House, eventually
from oracles import canned
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from served import ServedOracle

from services.oracle.core import OracleSettings
from shared.jobs.nudge import oldest_age, post
from shared.jobs.order import JobEnd, JobOrder

RULES_LOCATE = OracleSettings(weights={"combined": 1.0})


class Scraped:
    """The metrics of one host, the job that it worked, and what the oracle spent on it."""

    def __init__(self, text: str, end: JobEnd, shards: int, spent: tuple[int, int]) -> None:
        self.families: dict[str, Metric] = {one.name: one for one in text_string_to_metric_families(text)}
        self.end, self.shards, self.spent = end, shards, spent

    def value(self, family: str, sample: str, **labels: str) -> float | None:
        found = [
            one.value
            for one in self.families[family].samples
            if one.name == sample and labels.items() <= one.labels.items()
        ]
        return found[0] if found else None

    def stages(self) -> dict[str, float]:
        samples = self.families["idiolect_stage_duration_seconds"].samples
        return {one.labels["stage"]: one.value for one in samples if one.name.endswith("_count")}


def spent_on(house: House, order: JobOrder) -> tuple[int, int]:
    log = list(house.desk.run_log(order))
    return sum(one.tokens_in for one in log), sum(one.tokens_out for one in log)


@pytest.fixture(scope="module")
def scraped(house: House, lines: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Scraped:
    ready = house.folder / "scraped.ready"
    with ServedOracle(canned(), tmp_path_factory.mktemp("oracle"), thinking=RULES_LOCATE) as oracle:
        part = house.workers(IDIOLECT_ORACLE=oracle.address, IDIOLECT_READY_FILE=str(ready))
        eventually(ready.exists, "the host")
        order = house.submit(lines)
        end = house.end_of(order)
        text = urlopen(f"http://{ready.read_text()}/metrics").read().decode()
        part.kill()
    return Scraped(text, end, order.shards, spent_on(house, order))


def test_trajectories_are_counted_by_strategy_and_outcome(scraped: Scraped) -> None:
    samples = scraped.families["idiolect_trajectories"].samples
    counted = {one.labels["outcome"]: one.value for one in samples if one.name.endswith("_total")}
    assert {one.labels["strategy"] for one in samples} == {"style_aligned"}
    assert counted == dict(scraped.end.counts)


def test_nothing_is_in_flight_when_the_job_has_ended(scraped: Scraped) -> None:
    name = "idiolect_trajectories_in_flight"
    assert scraped.value(name, name, strategy="style_aligned") == 0


def test_every_stage_of_a_trajectory_is_timed(scraped: Scraped) -> None:
    stages = {"verify", "locate", "propose", "score", "gate", "commit"}
    assert {name for name, number in scraped.stages().items() if number} >= stages


def test_shards_are_counted_by_state(scraped: Scraped) -> None:
    assert scraped.value("idiolect_shards", "idiolect_shards_total", state="commit") == scraped.shards


def test_what_the_oracle_spent_is_what_the_run_log_says(scraped: Scraped) -> None:
    name = "idiolect_oracle_tokens_total"
    told = [scraped.value("idiolect_oracle_tokens", name, direction=way) for way in ("in", "out")]
    assert (told, sum(scraped.spent) > 0) == (list(scraped.spent), True)


@pytest.mark.parametrize("name", ["idiolect_style_drift_nats", "idiolect_utility"])
def test_style_and_utility_are_told_of_every_changed_trajectory(scraped: Scraped, name: str) -> None:
    changed = sum(scraped.end.counts.get(outcome, 0) for outcome in ("repaired", "regenerated"))
    assert scraped.value(name, f"{name}_count") == changed > 0


@pytest.mark.parametrize("name", ["idiolect_queue_depth", "idiolect_queue_oldest_age_seconds"])
def test_each_queue_is_told(scraped: Scraped, name: str) -> None:
    assert {one.labels["queue"] for one in scraped.families[name].samples} == {"bulk", "interactive"}


def test_a_message_that_waits_grows_older(house: House) -> None:
    post(house.redis, "nobody.works", [], "unattended")
    assert oldest_age(house.redis, "unattended") > 0


def test_an_empty_queue_has_no_age(house: House) -> None:
    assert oldest_age(house.redis, "empty") == 0
