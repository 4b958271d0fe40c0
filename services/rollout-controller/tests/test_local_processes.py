"""The Workloads port's suite on the fake and on real processes, and what only those can show."""

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from rollout_controller_fakes import MODEL, NEW, OLD, Clock
from rollout_controller_fakes import LocalProcesses as FakeProcesses
from rollout_controller_workloads_suite import BLUE, SERVED, WorkloadsSuite, loaded, until

from rollout_controller.adapters.clock import SystemClock
from rollout_controller.adapters.free_ports import FreePorts
from rollout_controller.adapters.local_processes import LocalProcesses, PredictorEnvironment
from rollout_controller.adapters.predictor_slot import Surroundings

pytestmark = pytest.mark.anyio
UNLOADABLE, STUBBORN = ("sha256:" + digit * 64 for digit in "98")
TINY = (sys.executable, str(Path(__file__).with_name("tiny_predictor.py")))


class Machine:
    """Directories of one controller, and as many controllers as a test wants, one at a time."""

    def __init__(self, directory, lowest):
        self.directory = directory
        self.lowest = lowest
        self.probe = httpx.AsyncClient(timeout=1)
        self.pids = set()
        for name in ("state", "run", "logs"):
            (directory / name).mkdir()

    def controller(self, grace_seconds=5.0, probe=None):
        around = Surroundings(
            command=TINY,
            host="127.0.0.1",
            state_dir=self.directory / "state",
            run_dir=self.directory / "run",
            log_dir=self.directory / "logs",
            grace_seconds=grace_seconds,
            ports=FreePorts("127.0.0.1", self.lowest),
            clock=SystemClock(),
            probe=probe or self.probe,
        )
        paths = (self.directory / name for name in ("token", "cache", "key"))
        token, cache, key = paths
        environment = PredictorEnvironment("http://r", token, cache, "http://d", key, "info")
        processes = LocalProcesses(around, environment)
        processes.adopt()
        return processes

    def record(self, colour=BLUE):
        record = json.loads((self.directory / "run" / f"{MODEL}-{colour.value}.json").read_text())
        self.pids.add(record["pid"])
        return record


@pytest.fixture
async def machine(tmp_path, ports):
    machine = Machine(tmp_path, ports(1)[0])
    yield machine
    for path in (tmp_path / "run").glob("*.json"):
        machine.pids.add(json.loads(path.read_text())["pid"])
    for pid in machine.pids:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # noqa: ASYNC222 - it was killed just now
    await machine.probe.aclose()


@pytest.fixture
def processes(machine):
    return machine.controller()


class TestFakeProcesses(WorkloadsSuite):
    @pytest.fixture
    def any_workloads(self):
        return FakeProcesses(Clock())


class TestLocalProcesses(WorkloadsSuite):
    @pytest.fixture
    def any_workloads(self, processes):
        return processes


async def test_a_predictor_is_told_what_it_serves_and_where_its_neighbours_are(machine):
    await loaded(machine.controller())
    environment = psutil.Process(machine.record()["pid"]).environ()
    told = {
        k.removeprefix("ISOGLOSS_INFERENCE_"): v for k, v in environment.items() if "GLOSS" in k
    }
    ports = {told.pop("PORT"), told.pop("METRICS_PORT")}

    assert len(ports) == 2
    assert told == {
        "MODEL": MODEL,
        "ARTIFACT": f"isogloss://{MODEL}@{OLD}",
        "REGISTRY_URL": "http://r",
        "TOKEN_FILE": str(machine.directory / "token"),
        "CACHE_DIR": str(machine.directory / "cache"),
        "DRIFT_MONITOR_URL": "http://d",
        "FINGERPRINT_KEY_FILE": str(machine.directory / "key"),
        "HOST": "127.0.0.1",
        "QUEUE_LIMIT": "7",
        "SLO_MILLISECONDS": "150",
        "SLICES": "domain",
        "LOG_LEVEL": "info",
        "SHUTDOWN_DELAY_SECONDS": "0",
    }


async def predictions(machine, state):
    return (await machine.probe.get(f"http://{state.metrics_addresses[0]}/readyz")).json()[
        "predictions"
    ]


async def test_it_is_warm_before_it_counts_as_ready(machine):
    assert await predictions(machine, await loaded(machine.controller())) == 3


async def test_a_killed_predictor_is_started_again_and_said_to_have_gone(machine):
    workloads = machine.controller()
    await loaded(workloads)
    first = machine.record()["pid"]
    os.kill(first, signal.SIGKILL)
    down = await until(workloads, lambda state: not state.alive)
    assert not down.ready

    up = await until(workloads, lambda state: state.ready)
    assert up.alive
    assert machine.record()["pid"] != first


async def test_one_that_hangs_is_unready_after_three_probes_but_not_said_to_have_gone(machine):
    async with httpx.AsyncClient(timeout=0.3) as probe:
        workloads = machine.controller(probe=probe)
        await loaded(workloads)
        os.kill(machine.record()["pid"], signal.SIGSTOP)
        await workloads.step()
        assert (await workloads.observe(MODEL))[BLUE].ready, "one slow answer is no fault"

        state = await until(workloads, lambda state: not state.ready)
        assert state.alive
        os.kill(machine.record()["pid"], signal.SIGCONT)
        await until(workloads, lambda state: state.ready)


async def test_a_new_controller_adopts_what_the_old_one_left(machine):
    await loaded(machine.controller())
    pid = machine.record()["pid"]
    workloads = machine.controller()
    state = await until(workloads, lambda state: state.ready)

    assert (state.digest, machine.record()["pid"]) == (OLD, pid)
    assert await predictions(machine, state) == 3, "it was warm already"


async def test_a_process_whose_record_was_never_written_is_found(machine):
    """The controller was killed between starting the process and writing its pid down."""
    await loaded(machine.controller())
    pid = machine.record()["pid"]
    (machine.directory / "run" / f"{MODEL}-blue.json").unlink()
    await until(machine.controller(), lambda state: state.ready)

    assert machine.record()["pid"] == pid


async def test_after_the_machine_went_down_it_is_started_from_the_slot_file(machine):
    await loaded(machine.controller())
    os.kill(machine.record()["pid"], signal.SIGKILL)
    state = await until(machine.controller(), lambda state: state and state.ready)

    assert state.digest == OLD


async def test_a_stranger_with_the_same_pid_is_left_alone(machine):
    await loaded(machine.controller())
    record = machine.record()
    os.kill(record["pid"], signal.SIGKILL)
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    path = machine.directory / "run" / f"{MODEL}-blue.json"
    path.write_text(json.dumps({**record, "pid": stranger.pid, "started": record["started"] - 60}))
    workloads = machine.controller()
    await workloads.stop(MODEL, BLUE)
    for _ in range(3):
        await workloads.step()

    assert stranger.returncode is None
    stranger.kill()
    await stranger.communicate()


async def test_what_is_stopped_ends_and_leaves_no_files(machine):
    workloads = machine.controller()
    await loaded(workloads)
    pid = machine.record()["pid"]
    await workloads.stop(MODEL, BLUE)
    await until(workloads, lambda _: not psutil.pid_exists(pid))
    for _ in range(2):
        await workloads.step()

    assert not list((machine.directory / "run").iterdir())
    assert not list((machine.directory / "state").iterdir())


async def test_one_that_does_not_listen_is_killed_after_the_grace(machine):
    workloads = machine.controller(grace_seconds=0.2)
    await loaded(workloads, STUBBORN)
    pid = machine.record()["pid"]
    await workloads.stop(MODEL, BLUE)

    await until(workloads, lambda _: not psutil.pid_exists(pid))


async def test_the_next_version_gets_the_same_ports_once_they_are_free(machine):
    workloads = machine.controller()
    first = await loaded(workloads)

    assert (await loaded(workloads, NEW)).address == first.address


async def test_ports_that_somebody_else_has_are_passed_over(machine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", machine.lowest))
        taken.listen()
        state = await loaded(machine.controller())

    assert state.address != f"127.0.0.1:{machine.lowest}"


async def test_one_that_cannot_start_says_where_its_log_is_and_is_tried_again_later(machine):
    workloads = machine.controller()
    await workloads.ensure(SERVED, BLUE, UNLOADABLE)
    state = await until(workloads, lambda state: "start 3 in 1 s" in state.reason)

    assert not state.alive
    log = machine.directory / "logs" / f"{MODEL}-blue.log"
    assert f"it ended by itself; {log} says why" in state.reason
    assert "the artifact cannot be loaded" in log.read_text()


async def test_a_slot_file_that_cannot_be_read_is_passed_over(machine):
    (machine.directory / "state" / f"{MODEL}-blue.slot.json").write_text("{")
    assert await machine.controller().observe(MODEL) == {}
