"""The real process: how it starts, serves under load while it is told to stop, and ends."""

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

import pytest

DEADLINE_SECONDS = 120


class Process:
    def __init__(self, **settings):
        names = {f"ISOGLOSS_INFERENCE_{name.upper()}": str(v) for name, v in settings.items()}
        command = [sys.executable, "-m", "inference"]
        self.process = subprocess.Popen(
            command, env=os.environ | names, stderr=subprocess.PIPE, text=True
        )
        self.port = self.metrics_port = None

    def wait_for_ports(self):
        ports = []
        while len(ports) < 2:
            line = self.process.stderr.readline()
            assert line, "the process ended"
            ports += [int(port) for port in re.findall(r'"address": \["127.0.0.1", (\d+)\]', line)]
        self.port, self.metrics_port = ports
        threading.Thread(target=self.process.stderr.read).start()

    def wait_until_ready(self):
        self.wait_for_ports()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.ask("GET", "/readyz", port=self.metrics_port)[0] != 200:
            assert time.monotonic() < deadline
            assert self.process.poll() is None

    def ask(self, method, path, body=None, port=None):
        address = ("127.0.0.1", port or self.port, DEADLINE_SECONDS)
        with contextlib.closing(http.client.HTTPConnection(*address)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def predict(self, text):
        status, body = self.ask("POST", "/predict", json.dumps({"text": text}))
        return status, json.loads(body)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(artifact):
    processes = []

    def start(**settings):
        given = {"model": "sentiment", "artifact": artifact, "port": 0, "metrics_port": 0}
        processes.append(Process(**given | {"shutdown_delay_seconds": 0} | settings))
        return processes[-1]

    yield start
    for process in processes:
        process.end()


class Caller(threading.Thread):
    """Sends requests on one connection, reopened when the server asks for it, until told."""

    def __init__(self, port, told):
        super().__init__()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, DEADLINE_SECONDS)
        self._told = told
        self.outcomes = []

    def run(self):
        body = json.dumps({"text": "a good film"})
        with contextlib.closing(self._connection) as connection:
            while not self._told.is_set():
                try:
                    connection.request("POST", "/predict", body)
                    answer = connection.getresponse()
                    answer.read()
                    self.outcomes.append(answer.status)
                except OSError as error:
                    self.outcomes.append(repr(error))


def test_no_request_fails_when_the_process_is_told_to_stop_under_load(start):
    process = start(shutdown_delay_seconds=DEADLINE_SECONDS)
    process.wait_until_ready()
    told = threading.Event()
    callers = [Caller(process.port, told) for _ in range(4)]
    for caller in callers:
        caller.start()

    process.process.send_signal(signal.SIGTERM)
    while process.ask("GET", "/readyz", port=process.metrics_port)[0] == 200:
        continue
    served = sum(len(caller.outcomes) for caller in callers)
    while sum(len(caller.outcomes) for caller in callers) < served + 40:
        continue
    told.set()  # as a router does once it has seen /readyz
    for caller in callers:
        caller.join()

    process.process.send_signal(signal.SIGTERM)  # the rest of the delay is not needed

    outcomes = [outcome for caller in callers for outcome in caller.outcomes]
    assert set(outcomes) == {200}
    assert process.process.wait(DEADLINE_SECONDS) == 0


@pytest.fixture
def registry(fakes, artifact, digest):
    with fakes.FakeRegistry(artifact, digest).running() as running:
        yield running


def test_an_artifact_comes_from_the_registry_and_events_go_to_the_drift_monitor(
    start, fakes, registry, private_file, tmp_path
):
    digest = registry.digest
    with fakes.FakeDriftMonitor().running() as drift_monitor:
        process = start(
            artifact=f"isogloss://sentiment@{digest}",
            registry_url=registry.url,
            cache_dir=tmp_path / "cache",
            token_file=private_file("token", fakes.TOKEN),
            drift_monitor_url=drift_monitor.url,
            fingerprint_key_file=private_file("fingerprint.key", "a key"),
        )
        process.wait_until_ready()
        answers = [process.predict("a good film")[1]["prediction"] for _ in range(3)]
        assert process.stop() == 0

    assert answers == ["positive"] * 3
    rows = [batch["rows"] for batch in drift_monitor.batches]
    assert sum(rows) == 3
    assert {batch["version"] for batch in drift_monitor.batches} == {digest}


def end_of(process):
    _, said = process.process.communicate(timeout=DEADLINE_SECONDS)
    return process.process.returncode, said.splitlines()[-1]


def test_a_directory_that_is_no_artifact_stops_the_process_with_a_sentence(start, tmp_path):
    status, said = end_of(start(artifact=tmp_path))

    assert status == 2
    assert said.startswith(f"{tmp_path} is not an artifact: manifest.json")


def test_an_altered_artifact_stops_the_process_with_a_sentence(start, artifact, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in artifact.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "vocabulary.json").write_bytes(b"{}")

    status, said = end_of(start(artifact=copy))

    assert status == 1
    assert "vocabulary.json: its sha256 is not the one in the manifest" in said


@pytest.fixture
def no_scikit_learn(tmp_path, monkeypatch):
    """Let the processes find none, as in the image that is without it."""
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError('no sklearn', name='sklearn')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("no_scikit_learn")
def test_a_version_that_needs_scikit_learn_is_refused_where_it_is_not_installed(
    start, pipeline_artifact
):
    status, said = end_of(start(artifact=pipeline_artifact))

    assert status == 1
    assert "has no compiled form, and scikit-learn, which it needs, is not installed here" in said
    assert "the image whose tag ends in -sklearn" in said


@pytest.mark.usefixtures("no_scikit_learn")
def test_a_version_with_a_compiled_form_is_served_without_scikit_learn(start):
    process = start()

    process.wait_until_ready()

    assert process.predict("a good film")[1]["prediction"] == "positive"
    assert process.stop() == 0


def test_a_missing_setting_stops_the_process_with_a_sentence(start):
    process = start(queue_limit="many")

    status, said = end_of(process)

    assert status == 2
    assert said.startswith("ISOGLOSS_INFERENCE_QUEUE_LIMIT is 'many': Input should be a valid int")


def test_a_token_file_that_others_can_read_stops_the_process(start, private_file):
    token_file = private_file("token", "x")
    token_file.chmod(0o644)
    process = start(
        drift_monitor_url="http://127.0.0.1:1",
        token_file=token_file,
        fingerprint_key_file=private_file("key", "k"),
    )

    status, said = end_of(process)

    assert status == 2
    assert f"{token_file} has mode 0644" in said
