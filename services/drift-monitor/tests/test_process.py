"""The real process: refused settings, a kill, a restart that finds what was acknowledged."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from servicekit.signing import generate_key

BASELINE = "sha256:" + "b" * 64
CANDIDATE = "sha256:" + "c" * 64
PAIRING = "/v1/models/sentiment/pairings/r1"
DEADLINE_SECONDS = 30
HEADERS = {"Authorization": "Bearer all"}


@pytest.fixture
def environment(tmp_path):
    roles = ["predictor", "rollout-controller"]
    caller = {"name": "test", "roles": roles, "sha256": hashlib.sha256(b"all").hexdigest()}
    for name, text in (("callers.json", json.dumps({"callers": [caller]})), ("token", "own")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    generate_key(tmp_path / "key.pem")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = {
        "PORT": str(port),
        "DATA_DIR": str(tmp_path / "data"),
        "REGISTRY_URL": "http://127.0.0.1:1",
        "TOKEN_FILE": str(tmp_path / "token"),
        "CALLERS_FILE": str(tmp_path / "callers.json"),
        "SIGNING_KEY_FILE": str(tmp_path / "key.pem"),
        "PAIR_LAG_SECONDS": "0.1",
    }
    return {f"ISOGLOSS_DRIFT_MONITOR_{name}": value for name, value in values.items()}


def start(environment):
    command = [sys.executable, "-m", "drift_monitor"]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ISOGLOSS_")}
    return subprocess.Popen(
        command, env=inherited | environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )


def until(condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            if answer := condition():
                return answer
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE_SECONDS} s")


def test_a_killed_process_finds_what_it_acknowledged(environment, traffic, packed):
    port = environment["ISOGLOSS_DRIFT_MONITOR_PORT"]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=HEADERS) as http:
        process = start(environment)
        try:
            until(lambda: http.get("/readyz").is_success)
            wish = {"baseline": BASELINE, "candidate": CANDIDATE, "since": 0.0}
            assert http.put(PAIRING, json=wish).is_success
            for number, version in enumerate((BASELINE, CANDIDATE)):
                body = packed(traffic().document(50, batch_id=f"b{number}", version=version))
                assert http.post("/v1/events", content=body).json() == {"accepted": 50}
        finally:
            process.kill()
            process.communicate()

        again = start(environment)
        try:
            until(lambda: http.get(PAIRING).json()["pairs"] == 50)
            page = http.get(PAIRING)
            assert page.is_success, page.text
            assert page.json()["agreeing"] == 50
            again.send_signal(signal.SIGTERM)
            assert again.wait(DEADLINE_SECONDS) == 0
        finally:
            again.kill()
            again.communicate()


def refusal(environment):
    process = start(environment)
    _, log = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert b"Traceback" not in log
    return log.decode()


def test_a_missing_or_wrong_setting_stops_the_start_with_its_name(environment):
    missing = {k: v for k, v in environment.items() if not k.endswith("REGISTRY_URL")}
    assert "ISOGLOSS_DRIFT_MONITOR_REGISTRY_URL is not set" in refusal(missing)
    wrong = environment | {"ISOGLOSS_DRIFT_MONITOR_WINDOW_SECONDS": "0"}
    assert "ISOGLOSS_DRIFT_MONITOR_WINDOW_SECONDS is '0'" in refusal(wrong)


def test_a_missing_key_or_a_taken_port_is_said_in_a_sentence(environment, tmp_path):
    keyless = environment | {"ISOGLOSS_DRIFT_MONITOR_SIGNING_KEY_FILE": str(tmp_path / "no.pem")}
    assert "The drift monitor cannot start" in refusal(keyless)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["ISOGLOSS_DRIFT_MONITOR_PORT"])))
        taken.listen()
        assert "ISOGLOSS_DRIFT_MONITOR_PORT" in refusal(environment)
