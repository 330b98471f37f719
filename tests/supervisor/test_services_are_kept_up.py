"""Services start, tell where they are, come back at the same place, and are given up in the end."""

import re
import sys
from pathlib import Path

import psutil
import pytest
from houses import DEAF_SLEEPER, connects, eventually, service, with_child

from services.embedded.serving import ServiceSettings, specs
from services.embedded.supervisor.spec import Doors, Patience, ServiceSpec, written_doors
from services.embedded.supervisor.supervisor import Supervisor
from shared.errors import FieldError, UnavailableError

BROKEN = "import sys; print('no weights here', file=sys.stderr); sys.exit(3)"
LIES = "import os, time; open(os.environ['IDIOLECT_READY_FILE'], 'w').write('soon'); time.sleep(600)"
SHORT = service("import threading; threading.Timer(0.3, os._exit, [1]).start()")


def restarted(house, name: str) -> bool:
    return f"{name} was ended by SIGKILL" in house.stderr and "again\n" in house.stderr


def test_each_service_is_named_with_an_address_that_answers(start) -> None:
    house = start(as_json=False, student=service(), oracle=service())
    assert eventually(lambda: house.stdout.count("\n") == 2)
    addresses = dict(line.split() for line in house.stdout.splitlines())
    assert {name: connects(address) for name, address in addresses.items()} == {
        "student": True,
        "oracle": True,
    }


def test_the_line_of_json_names_every_service(start) -> None:
    assert set(start(student=service(), oracle=service()).summary()["services"]) == {"student", "oracle"}


def test_no_line_of_json_comes_before_all_are_ready(start) -> None:
    house = start(student=service(), oracle="import time; time.sleep(600)")
    assert eventually(lambda: "student" in house.stderr)
    assert house.stdout == ""


def test_what_a_service_writes_comes_under_its_name(start) -> None:
    house = start(oracle=service("print('loading', flush=True); print('weights', file=sys.stderr)"))
    assert eventually(lambda: {"[oracle] loading", "[oracle] weights"} <= set(house.stderr.splitlines()))


def test_a_very_long_line_comes_in_pieces_and_whole(start) -> None:
    house = start(oracle=service("print('x' * 300_000, flush=True)"))
    house.summary()
    assert eventually(lambda: house.stderr.count("x") == 300_000)


def test_a_killed_service_comes_back_at_its_port(start) -> None:
    house = start(student=service())
    student = house.summary()["services"]["student"]
    psutil.Process(student["pid"]).kill()
    assert eventually(lambda: restarted(house, "student") and connects(student["address"]))


def test_what_a_killed_service_leaves_behind_is_ended(start) -> None:
    house = start(student=with_child(DEAF_SLEEPER))
    student = psutil.Process(house.summary()["services"]["student"]["pid"])
    (child,) = student.children()
    student.kill()
    assert eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_the_other_services_do_not_notice_a_death(start) -> None:
    house = start(student=service(), oracle=service())
    before = house.summary()["services"]
    psutil.Process(before["student"]["pid"]).kill()
    assert eventually(lambda: restarted(house, "student"))
    assert psutil.Process(before["oracle"]["pid"]).is_running()


def test_a_service_that_cannot_start_is_given_up_with_its_last_words(start) -> None:
    house = start(student=service(), oracle=BROKEN)
    assert (house.ended(), house.stderr.splitlines()[-1]) == (
        5,
        "oracle could not be started 3 times in a row: it ended with exit code 3; "
        "its last line: no weights here",
    )


def test_a_service_that_is_never_ready_is_given_up(start) -> None:
    house = start(oracle="import time; time.sleep(600)", patience={"start": 0.2, "starts": 1})
    assert house.ended() == 5
    assert "oracle could not be started at all: it was not ready after 0.2 s" in house.stderr


def test_an_address_that_is_none_counts_as_a_failed_start(start) -> None:
    house = start(oracle=LIES, patience={"starts": 1})
    assert house.ended() == 5
    assert "wrote 'soon' where an address like 127.0.0.1:43211 belongs" in house.stderr


@pytest.mark.parametrize(
    ("steady", "delays"), [(1000.0, ["0.1", "0.2", "0.4", "0.4"]), (0.0, ["0.1", "0.1", "0.1", "0.1"])]
)
def test_restarts_wait_longer_each_time_unless_the_service_was_up_for_a_while(
    start, steady: float, delays: list[str]
) -> None:
    house = start(oracle=SHORT, patience={"steady": steady})
    assert eventually(lambda: len(re.findall(r"starts again in", house.stderr)) >= 4)
    assert re.findall(r"starts again in (\S+) s", house.stderr)[:4] == delays


def test_delays_double_up_to_a_limit() -> None:
    patience = Patience(first_delay=0.5, longest_delay=30)
    assert [patience.delay(deaths) for deaths in (1, 2, 3, 7, 10_000)] == [0.5, 1, 2, 30, 30]


def test_a_service_is_told_the_address_of_one_it_needs(start) -> None:
    tells = service("print('student at', os.environ['IDIOLECT_STUDENT_ADDRESS'], flush=True)")
    house = start(student=service(), pipeline=(tells, ["student"]))
    address = house.summary()["services"]["student"]["address"]
    assert f"[pipeline] student at {address}" in house.stderr


def test_a_program_that_is_not_there_is_named() -> None:
    nowhere = ServiceSpec("oracle", ("/no/such/program",))
    with Supervisor([nowhere]) as supervisor, pytest.raises(UnavailableError, match="/no/such/program"):
        next(supervisor.events())


@pytest.mark.parametrize(
    "services",
    [
        [ServiceSpec("oracle", ("a",)), ServiceSpec("oracle", ("b",))],
        [ServiceSpec("pipeline", ("a",), needs=("student",))],
    ],
)
def test_services_that_do_not_fit_together_are_refused(services: list[ServiceSpec]) -> None:
    with pytest.raises(FieldError):
        Supervisor(services)


def test_a_ready_file_may_name_further_doors(tmp_path: Path) -> None:
    told = tmp_path / "student.1"
    told.write_text("127.0.0.1:5001\nmetrics 127.0.0.1:5002\n")
    assert written_doors(told) == Doors("127.0.0.1:5001", {"metrics": "127.0.0.1:5002"})


def test_a_successor_is_asked_for_every_port_of_before() -> None:
    doors = Doors("127.0.0.1:5001", {"metrics": "127.0.0.1:5002"})
    assert doors.ports() == {"IDIOLECT_PORT": "5001", "IDIOLECT_METRICS_PORT": "5002"}


def test_services_get_their_settings_by_environment(tmp_path: Path) -> None:
    student, oracle = specs(
        ServiceSettings("scripted", port=5001, metrics_port=5002), ServiceSettings("rules"), tmp_path
    )
    assert (student.command, student.environment, oracle.environment) == (
        (sys.executable, "-m", "services.student"),
        {
            "IDIOLECT_STUDENT_ENGINE": "scripted",
            "IDIOLECT_LISTEN": "127.0.0.1:5001",
            "IDIOLECT_METRICS_LISTEN": "127.0.0.1:5002",
            "IDIOLECT_STATE": str(tmp_path),
        },
        {
            "IDIOLECT_ORACLE_ENGINE": "rules",
            "IDIOLECT_LISTEN": "127.0.0.1:0",
            "IDIOLECT_METRICS_LISTEN": "127.0.0.1:0",
            "IDIOLECT_STATE": str(tmp_path),
        },
    )
