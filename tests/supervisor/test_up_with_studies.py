"""`idiolect up` with the host of studies: only where it is asked for."""

from __future__ import annotations

from pathlib import Path

from services.embedded.serving import GatewaySettings, ServiceSettings, StudySettings, specs

STUDENT, ORACLE = ServiceSettings("scripted"), ServiceSettings("rules")


def test_without_being_asked_for_no_host_of_studies_starts(tmp_path: Path) -> None:
    found = specs(STUDENT, ORACLE, tmp_path, gateway=GatewaySettings())
    assert "studyhost" not in [spec.name for spec in found]


def test_the_host_of_studies_shares_the_store_of_the_gateway(tmp_path: Path) -> None:
    found = specs(STUDENT, ORACLE, tmp_path, gateway=GatewaySettings(), studies=StudySettings("a=b", 3))
    told = {spec.name: spec.environment for spec in found}
    assert told["studyhost"]["IDIOLECT_STORE"] == told["gateway"]["IDIOLECT_STORE"]
    assert told["studyhost"]["IDIOLECT_STUDYHOST_MODELS"] == "a=b"
    assert told["studyhost"]["IDIOLECT_STUDYHOST_PROCESSES"] == "3"
