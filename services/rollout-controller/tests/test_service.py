"""The service as a process, with a real Envoy and real inference processes under steady load.

Only the registry-proxy and the drift-monitor are doubles here, over real HTTP; the platform's
tests join the real ones.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from rollout_controller_service_process import Load, Neighbours, Service, until

from textmodels.artifacts import save_artifact
from textmodels.families import fit_family

GOOD = ("a good film", "great story and fine actors", "good fun", "a fine and great film")
BAD = ("a bad film", "awful story and poor actors", "bad and dull", "a poor and awful film")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """A cache with two artifacts, as inference keeps them, and their digests."""
    cache = tmp_path_factory.mktemp("artifacts")
    digests = []
    for seed in (1, 2):
        labels = ["positive"] * len(GOOD) + ["negative"] * len(BAD)
        fitted = fit_family("tfidf_linear", [*GOOD, *BAD], labels, {"min_df": 1}, seed=seed)
        made = cache / "made"
        manifest = save_artifact(made, fitted, {"run_id": f"run-{seed}"})
        made.rename(cache / manifest.digest.removeprefix("sha256:"))
        digests.append(manifest.digest)
    assert len(set(digests)) == 2
    return cache, digests


@pytest.fixture
def neighbours(ports, artifacts):
    with Neighbours(ports(1)[0], artifacts[1]).running() as running:
        yield running


@pytest.fixture
def service(tmp_path, ports, neighbours, artifacts):
    service = Service(tmp_path, ports(4), neighbours, artifacts[0])
    service.start()
    yield service
    if service.process.poll() is None:
        service.end()
    for pid in service.predictors().values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def in_phase(service, phase):
    def reached():
        status = service.ask("GET")
        return status if status["phase"] == phase else None

    return reached


def test_from_the_first_release_to_a_rollback_through_a_crash_no_request_fails(
    service, neighbours, start_envoy, artifacts
):
    start_envoy(service.directory / "envoy", service.admin)
    url = f"http://127.0.0.1:{service.gateway}/predict"
    one, two = artifacts[1]
    before = httpx.post(url, json={"text": "good"})
    assert (before.status_code, "no version in PRODUCTION" in before.text) == (503, True)

    service.ask("POST", "/rollouts", {"version": "1"})
    until(in_phase(service, "SUCCEEDED"))
    until(lambda: httpx.post(url, json={"text": "a good film"}).is_success)

    with Load(service.gateway).running() as load:
        service.ask("POST", "/rollouts", {"version": "2"})
        until(in_phase(service, "CANARY"))
        serving = service.predictors()
        service.kill()
        time.sleep(0.2)  # nobody looks meanwhile, everybody is served
        service.start()
        assert service.predictors() == serving, "the new controller adopts them"
        status = until(in_phase(service, "SUCCEEDED"))
        until(lambda: load.last[two] > load.last[one] + 0.2)
        neighbours.ledger.up = False
        done = service.ask("POST", "/rollback", {"reason": "drill"})
        until(lambda: load.last[one] > done["effective_at"] + 0.3)
        neighbours.ledger.up = True
        until(in_phase(service, "ROLLED_BACK"))

    late_ms = (load.last[two] - done["decided_at"]) * 1000
    print(  # noqa: T201 - measured, for whoever reads the run
        f"\n{sum(load.statuses.values())} requests, statuses {dict(load.statuses)}; rollback in "
        f"effect after {done['milliseconds']} ms, last answer of the old version {late_ms:.0f} ms "
        "after the decision"
    )
    assert set(load.statuses) == {200}
    assert (done["recorded"], done["to"]) == (False, one)
    assert late_ms < 1000
    assert status["route"] == {"blue": 0, "green": 100, "mirror": None, "mirror_percent": 0}
    assert service.ask("GET")["last_rollback"]["recorded"]
    assert service.end() == 0
    assert Path(f"/proc/{service.predictors()['sentiment-blue']}").exists(), "it goes on serving"
    assert replace(neighbours.ledger.state.rollout, phase_since=0).baseline == one


def test_a_wrong_setting_stops_the_process_with_a_sentence(tmp_path):
    environment = {**os.environ, "ISOGLOSS_ROLLOUT_CONTROLLER_PORT": "many"}
    command = [sys.executable, "-m", "rollout_controller"]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)

    assert ended.returncode == 2
    assert b"ISOGLOSS_ROLLOUT_CONTROLLER_PORT is 'many'" in ended.stderr
    assert b"ISOGLOSS_ROLLOUT_CONTROLLER_REGISTRY_URL is not set" in ended.stderr


def test_a_missing_key_stops_the_process_with_a_sentence(service):
    service.end()
    service.settings["SIGNING_KEY_FILE"] = service.directory / "none.pem"
    settings = {f"ISOGLOSS_ROLLOUT_CONTROLLER_{k}": str(v) for k, v in service.settings.items()}
    command = [sys.executable, "-m", "rollout_controller"]
    ended = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith(b"The rollout controller cannot start: ")
    assert b"none.pem" in ended.stderr
