import json
import os
import signal
import sys
import time
from dataclasses import asdict, replace

import psutil
import pytest

from isogloss.adapters.processes import Processes
from isogloss.down import stopping_order
from isogloss.failures import Refused

SLEEPER = [sys.executable, "-c", "import signal; print('here', flush=True); signal.pause()"]
PARENT = [
    sys.executable,
    "-c",
    (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()"
    ),
]


@pytest.fixture
def processes(home):
    running = Processes(home)
    yield running
    for name in running.names():
        running.stop(name, grace_seconds=1)


def eventually(look, seconds=20):
    """Look until it is true; a deadline, not a fixed wait."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to pass in time"
        os.sched_yield()
    return found


def test_a_started_process_is_found_and_a_stopped_one_is_forgotten(processes, home):
    record = processes.start("sleeper", SLEEPER, {})

    assert processes.find("sleeper") == record
    assert json.loads(home.record("sleeper").read_bytes()) == asdict(record)
    assert processes.stop("sleeper")
    assert processes.find("sleeper") is None
    assert processes.names() == []
    assert not psutil.pid_exists(record.pid)


def test_what_it_prints_is_in_its_log(processes, home):
    processes.start("sleeper", SLEEPER, {})

    eventually(lambda: "here" in home.log("sleeper").read_text())
    assert processes.last_lines("sleeper").strip() == "here"


def test_a_process_gets_its_own_settings_and_none_of_anothers(processes, home, monkeypatch):
    monkeypatch.setenv("ISOGLOSS_OTHER_PORT", "1")
    show = "import os; print([k for k in os.environ if k.startswith('ISOGLOSS_')], flush=True)"

    processes.start("shower", [sys.executable, "-c", show], {"ISOGLOSS_OWN_PORT": "2"})

    eventually(lambda: "ISOGLOSS_OWN_PORT" in home.log("shower").read_text())
    assert "OTHER" not in home.log("shower").read_text()


def test_a_stranger_with_the_same_pid_is_never_signalled(processes, home):
    stranger = processes.start("stranger", SLEEPER, {})
    claimed = replace(stranger, started=stranger.started - 1000)
    home.record("claimed").write_text(json.dumps(asdict(claimed)))

    assert processes.find("claimed") is None
    processes.find("stranger")
    home.record("claimed").write_text(json.dumps(asdict(replace(claimed, started=4e9))))
    assert not processes.stop("claimed")
    assert processes.find("stranger") == stranger


def test_what_a_dead_process_left_running_is_stopped_too(processes, home):
    record = processes.start("parent", PARENT, {})
    child = int(eventually(lambda: home.log("parent").read_text().strip()))
    os.kill(record.pid, signal.SIGKILL)
    os.waitpid(record.pid, 0)

    assert processes.find("parent") is None
    assert processes.stop("parent")
    eventually(lambda: not alive(child))


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_one_that_does_not_listen_to_sigterm_is_killed(processes, home):
    deaf = (
        "import signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "while True: signal.pause()"
    )
    record = processes.start("deaf", [sys.executable, "-c", deaf], {})
    eventually(lambda: "deaf" in home.log("deaf").read_text())

    assert processes.stop("deaf", grace_seconds=0.1)
    assert not alive(record.pid)


def test_how_a_child_ended_is_known(processes):
    record = processes.start("ends", [sys.executable, "-c", "raise SystemExit(3)"], {})

    assert eventually(lambda: processes.exit_status(record)) == 3


def test_a_command_that_does_not_exist_is_refused_with_its_name(processes):
    with pytest.raises(Refused, match="/nowhere/python cannot be started"):
        processes.start("ghost", ["/nowhere/python"], {})
    assert processes.names() == []


def test_the_controller_stops_first_and_the_registry_after_everybody_that_calls_it():
    names = ["mlflow", "registry-proxy", "envoy", "sentiment-blue", "rollout-controller"]

    assert stopping_order([*names, "drift-monitor"]) == [
        "rollout-controller",
        "envoy",
        "sentiment-blue",
        "drift-monitor",
        "registry-proxy",
        "mlflow",
    ]
