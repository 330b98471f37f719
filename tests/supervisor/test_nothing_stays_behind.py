"""However the supervisor ends, its services end too, and so do their children."""

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
from houses import DEAF, DEAF_SLEEPER, SLEEPER, eventually, living, service, with_child

DRAINS = service("""
def drain(*_):
    time.sleep(0.3)
    print("finished my work", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
""")
SAYS_GOODBYE = service("import atexit; atexit.register(lambda: print('ended', flush=True))")

RESTLESS = """
import json, sys
from services.embedded.supervisor.spec import Patience, ServiceSpec
from services.embedded.supervisor.supervisor import Supervisor

specs = [ServiceSpec(f"s{n}", (sys.executable, "-S", "-c", sys.argv[1])) for n in range(4)]
with Supervisor(specs, Patience(first_delay=0.0, starts=10**6, grace=0.5)) as supervisor:
    print(supervisor.group, flush=True)
    for _ in supervisor.events():
        pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_the_code_is_0(start, number: signal.Signals) -> None:
    house = start(student=with_child(SLEEPER), oracle=service())
    group = house.summary()["group"]
    house.process.send_signal(number)
    assert (house.ended(), living(group)) == (0, [])


def test_services_finish_what_they_do_before_they_end(start) -> None:
    house = start(student=DRAINS)
    house.summary()
    house.process.send_signal(signal.SIGTERM)
    house.ended()
    assert "[student] finished my work" in house.stderr


def test_a_service_outlives_those_that_need_it(start) -> None:
    house = start(student=SAYS_GOODBYE, pipeline=(SAYS_GOODBYE, ["student"]))
    house.summary()
    house.process.send_signal(signal.SIGINT)
    house.ended()
    endings = [line for line in house.stderr.splitlines() if line.endswith("ended")]
    assert endings == ["[pipeline] ended", "[student] ended"]


def test_a_service_that_does_not_end_in_time_is_killed_and_the_code_is_130(start) -> None:
    house = start(student=service(DEAF), patience={"drain": 0.2})
    group = house.summary()["group"]
    house.process.send_signal(signal.SIGINT)
    assert (house.ended(), living(group)) == (130, [])


def test_a_second_signal_kills_at_once(start) -> None:
    house = start(student=service(DEAF), patience={"drain": 10_000.0})
    house.summary()
    house.process.send_signal(signal.SIGINT)
    assert eventually(lambda: "once more to kill them" in house.stderr)
    house.process.send_signal(signal.SIGINT)
    assert house.ended() == 130


def test_a_grandchild_that_ignores_the_end_of_its_service_is_killed(start) -> None:
    house = start(oracle=with_child(DEAF_SLEEPER))
    group = house.summary()["group"]
    house.process.send_signal(signal.SIGINT)
    assert (house.ended(), living(group)) == (0, [])


def test_kill_9_of_the_supervisor_leaves_no_process(start) -> None:
    house = start(student=with_child(SLEEPER), oracle=with_child(DEAF_SLEEPER), gateway=service(DEAF))
    group = house.summary()["group"]
    assert len(living(group)) == 6
    house.process.kill()
    assert eventually(lambda: living(group) == [])


def test_services_may_finish_their_work_after_kill_9_of_the_supervisor(start, tmp_path) -> None:
    done = tmp_path / "done"
    finishes = f"signal.signal(signal.SIGTERM, lambda *_: (open({str(done)!r}, 'w').close(), sys.exit(0)))"
    house = start(student=service(finishes), patience={"grace": 20.0})
    house.summary()
    house.process.kill()
    assert eventually(done.exists)


@pytest.mark.parametrize("milliseconds", [0, 3, 10, 30, 100, 300])
@pytest.mark.parametrize("program", ["pass", "import time; time.sleep(600)"])
def test_kill_9_while_services_are_being_started_leaves_no_process(program: str, milliseconds: int) -> None:
    command = [sys.executable, "-c", RESTLESS, program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as supervisor:
        group = json.loads(supervisor.stdout.readline())
        time.sleep(milliseconds / 1000)
        supervisor.kill()
    assert eventually(lambda: living(group) == [])


def test_without_its_guard_everything_is_ended_with_an_error(start) -> None:
    house = start(student=with_child(DEAF_SLEEPER), oracle=service())
    group = house.summary()["group"]
    psutil.Process(group).kill()
    assert (house.ended(), living(group)) == (5, [])
    assert "the guard of the services was killed" in house.stderr


def test_the_guard_does_not_mind_polite_signals(start) -> None:
    house = start(student=service())
    guard = psutil.Process(house.summary()["group"])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        guard.send_signal(number)
    house.process.send_signal(signal.SIGINT)
    assert house.ended() == 0


def test_a_service_that_is_given_up_takes_the_others_with_it(start) -> None:
    house = start(student=with_child(DEAF_SLEEPER), oracle="raise SystemExit(1)", patience={"starts": 2})
    assert eventually(lambda: "student" in house.stderr)
    groups = {process.pid for process in psutil.Process(house.process.pid).children()}
    assert house.ended() == 5
    assert [living(group) for group in groups] == [[] for _ in groups]
