import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from servicekit.problems import install_problem_pages
from servicekit.process import Health, install_pages

PROGRAM = """
import asyncio, sys
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from servicekit.logs import configure_logs
from servicekit.problems import install_problem_pages
from servicekit.process import Health, install_pages, run_apps

configure_logs("greeter")
health, app, pages = Health(), FastAPI(), FastAPI()
for each in (app, pages):
    install_problem_pages(each)
install_pages(app, health, None)
install_pages(pages, health, CollectorRegistry())

@app.get("/loop")
async def loop():
    return type(asyncio.get_running_loop()).__module__

@app.get("/slow")
async def slow():
    health.mark("slow", "begun")
    await asyncio.sleep(1)
    return "done"

@app.get("/ruin")
async def ruin():
    health.fail("The artifact is ruined.")

port, delay = int(sys.argv[1]), float(sys.argv[2])
run_apps([(app, "127.0.0.1", port, "GREETER_PORT"), (pages, "127.0.0.1", 0)], health, delay, 5)
"""
DEADLINE_SECONDS = 30


class Greeter:
    def __init__(self, port=0, delay=0.0):
        command = [sys.executable, "-c", PROGRAM, str(port), str(delay)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines = []

    def wait_for_ports(self):
        ports = []
        while len(ports) < 2:
            line = self.process.stderr.readline()
            assert line, self.lines
            self.lines.append(line)
            ports += [int(port) for port in re.findall(r'"address": \["127.0.0.1", (\d+)\]', line)]
        return ports

    def stop(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start():
    started = []

    def start(**options):
        started.append(Greeter(**options))
        return started[-1]

    yield start
    for greeter in started:
        greeter.stop()


def connect(port):
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, DEADLINE_SECONDS))


def get(port, path):
    with connect(port) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers


def wait_until(holds):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline


def test_two_apps_run_on_two_ports_on_uvloop(start):
    port, pages_port = start().wait_for_ports()

    assert get(port, "/loop")[1].startswith("uvloop")
    assert get(port, "/readyz")[0] == get(pages_port, "/readyz")[0] == 200
    assert get(port, "/metrics")[0] == 404


def test_while_draining_it_is_not_ready_but_serves_and_closes_connections(start):
    greeter = start(delay=DEADLINE_SECONDS)
    port, pages_port = greeter.wait_for_ports()

    greeter.process.send_signal(signal.SIGTERM)
    wait_until(lambda: get(pages_port, "/readyz")[0] == 503)
    status, _, headers = get(port, "/loop")

    assert (status, headers["connection"]) == (200, "close")
    greeter.process.send_signal(signal.SIGTERM)  # skips the rest of the delay
    assert greeter.process.wait(DEADLINE_SECONDS) == 0


def test_an_open_request_is_answered_before_the_process_ends(start):
    greeter = start()
    port, pages_port = greeter.wait_for_ports()

    with connect(port) as open_request:
        open_request.request("GET", "/slow")
        wait_until(lambda: "slow" in get(pages_port, "/readyz")[1].get("reasons", {}))
        greeter.process.send_signal(signal.SIGTERM)

        assert json.loads(open_request.getresponse().read()) == "done"
    assert greeter.process.wait(DEADLINE_SECONDS) == 0


def test_a_port_in_use_is_named_with_its_setting(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, said = (greeter := start(port=port)).process.communicate(timeout=DEADLINE_SECONDS)

    assert greeter.process.returncode == 2
    assert said == f"Port {port} on 127.0.0.1 is in use: free it or change GREETER_PORT.\n"


def test_a_process_that_can_never_be_ready_ends_with_the_sentence(start):
    greeter = start(delay=DEADLINE_SECONDS)
    port, _ = greeter.wait_for_ports()

    get(port, "/ruin")
    _, said = greeter.process.communicate(timeout=DEADLINE_SECONDS)

    assert greeter.process.returncode == 1
    assert said.splitlines()[-1] == "The artifact is ruined."


@pytest.fixture
def health():
    return Health()


@pytest.fixture
def client(client_of, health):
    app, registry = FastAPI(), CollectorRegistry()
    install_problem_pages(app)
    install_pages(app, health, registry)
    Counter("greetings", "Greetings said.", registry=registry).inc()
    return client_of(app)


def test_readiness_names_every_reason_against_it(client, health):
    health.mark("artifact", "loading")
    health.mark("ledger", "locked")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == {"artifact": "loading", "ledger": "locked"}
    assert client.get("/livez").status_code == 200


def test_it_is_ready_when_no_reason_is_left(client, health):
    health.mark("artifact", "loading")
    health.mark("artifact", None)

    assert client.get("/readyz").json() == {"status": "ready"}


def test_metrics_are_those_of_the_registry(client):
    answer = client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "greetings_total 1.0" in answer.text
