"""Several processes that serve one version: what they share, and what stays when one dies."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inference.board import Board
from inference.metrics import Cells, Metrics

DEADLINE_SECONDS = 120
WORKERS = 2


def test_what_workers_count_is_added_up():
    board, total = Board(WORKERS), Cells.own()
    for worker in range(WORKERS):
        metrics = Metrics(150, board.cells(worker))
        metrics.requests["predict", "ok"].inc(worker + 1)
        metrics.request_seconds.observe(0.2)

    board.add_into(total)

    summed = Metrics(150, total)
    assert summed.requests["predict", "ok"].value == 3
    assert (summed.request_seconds.count, summed.request_seconds.above(0.15)) == (2, 2)


def test_a_worker_in_the_place_of_one_that_died_goes_on_counting():
    board = Board(WORKERS)
    Metrics(150, board.cells(1)).texts.inc(5)
    board.leave(1)

    texts = Metrics(150, board.cells(1)).texts
    texts.inc()

    assert texts.value == 6


def test_the_board_is_complete_when_all_workers_are_ready():
    board = Board(WORKERS)
    board.mark_ready(0)
    assert board.missing == "1 of 2 workers are ready"
    board.mark_ready(1)
    assert board.missing is None
    board.leave(0)
    assert board.missing == "1 of 2 workers are ready"


def test_more_metrics_than_there_are_cells_are_refused():
    with pytest.raises(ValueError, match="raise CELLS"):
        Cells.own().take(10_000)


class Processes:
    """A parent with its workers."""

    def __init__(self, artifact, log):
        given = {"model": "sentiment", "artifact": artifact, "port": 0, "metrics_port": 0}
        given |= {"workers": WORKERS, "shutdown_delay_seconds": DEADLINE_SECONDS}
        names = {f"ISOGLOSS_INFERENCE_{name.upper()}": str(v) for name, v in given.items()}
        self._log = log
        with log.open("wb") as stderr:
            command = [sys.executable, "-m", "inference"]
            self.parent = subprocess.Popen(command, env=os.environ | names, stderr=stderr)
        ports = self._until(self._ports, lambda ports: len(ports) == 1 + WORKERS)
        (self.metrics_port,) = {port for port in ports if ports.count(port) == 1}
        (self.port,) = {*ports} - {self.metrics_port}  # all workers say the same
        self.wait_until_ready()

    def wait_until_ready(self):
        self._until(lambda: self.ask("GET", "/readyz", self.metrics_port)[0], lambda s: s == 200)

    def wait_until_draining(self):
        self._until(lambda: self.ask("GET", "/readyz", self.metrics_port)[0], lambda s: s == 503)

    def ask(self, method, path, port, body=None):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, 60)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def predict(self):
        return self.ask("POST", "/predict", self.port, json.dumps({"text": "a good film"}))[0]

    def counted(self):
        _, page = self.ask("GET", "/metrics", self.metrics_port)
        pattern = r'isogloss_inference_requests_total\{outcome="ok",route="predict"\} ([\d.]+)'
        return float(re.search(pattern, page)[1])

    def workers(self):
        """The last of the parent's children: the first is the process of the pages."""
        children = Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children").read_text()
        return [int(pid) for pid in children.split()][-WORKERS:]

    def end(self):
        self.parent.kill()
        self.parent.wait(DEADLINE_SECONDS)

    def _ports(self):
        assert self.parent.poll() is None, self._log.read_text()
        said = self._log.read_text()
        return [int(port) for port in re.findall(r'"address": \["127.0.0.1", (\d+)\]', said)]

    def _until(self, look, enough):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not enough(seen := look()):
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)
        return seen


@pytest.fixture
def processes(artifact, tmp_path):
    started = Processes(artifact, tmp_path / "log")
    yield started
    started.end()


def is_running(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_that_dies_is_replaced_and_what_was_counted_stays(processes):
    assert [processes.predict() for _ in range(20)] == [200] * 20
    assert processes.counted() == 20
    killed = processes.workers()[0]

    os.kill(killed, signal.SIGKILL)

    assert [processes.predict() for _ in range(20)] == [200] * 20  # those of its socket wait
    processes.wait_until_ready()
    assert processes.counted() == 40
    assert killed not in processes.workers()


def test_no_request_fails_when_all_are_told_to_stop_under_load(processes):
    outcomes, told = [], threading.Event()

    def call():
        while not told.is_set():
            outcomes.append(processes.predict())

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()

    processes.parent.send_signal(signal.SIGTERM)
    processes.wait_until_draining()
    served = len(outcomes)
    while len(outcomes) < served + 40:
        time.sleep(0.001)
    told.set()  # as a router does once it has seen /readyz
    for caller in callers:
        caller.join()
    processes.parent.send_signal(signal.SIGTERM)  # the rest of the delay is not needed

    assert set(outcomes) == {200}
    assert processes.parent.wait(DEADLINE_SECONDS) == 0


def test_nobody_is_left_when_the_parent_is_killed(processes):
    workers = processes.workers()

    processes.end()

    deadline = time.monotonic() + DEADLINE_SECONDS
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
