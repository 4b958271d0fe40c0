"""The service as a process of its own: what it says at the start, and what a kill leaves,
beside a real MLflow.
"""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from lifecycle.ledger import EntryKind, LedgerEntry, verify_chain

TAGS = {"commit": "abc123"}
LARGE = b"w" * 8_000_000


@pytest.fixture
def ask(empty_world):
    """Ask a process as one of the callers."""

    def request(process, method, path, role="predictor", **options):
        headers = {"authorization": f"Bearer {empty_world.tokens[role]}"}
        url = f"{process.url}{path}"
        return httpx.request(method, url, headers=headers, timeout=30, trust_env=False, **options)

    return request


@pytest.fixture
def run_id(mlflow, make):
    return mlflow.log(lambda run: make.an_artifact(run, weights=LARGE), tags=TAGS)


def versions_of(ask, process):
    listed = ask(process, "GET", "/v1/models").json()["models"]
    return [version["digest"] for model in listed for version in model["versions"]]


def test_a_real_run_is_registered_and_its_bytes_are_served(launch, ask, mlflow, make, run_id):
    service = launch(mlflow.url).ready()
    body = {"run_id": run_id, "artifact_path": "model"}

    answer = ask(service, "POST", "/v1/models/sentiment/versions", "trainer", json=body)

    assert answer.status_code == 201, answer.text
    digest = answer.json()["version"]["digest"]
    served = ask(service, "GET", f"/v1/artifacts/{digest}/files/model.skops")
    assert served.content == make.a_skops(LARGE)


def test_a_kill_while_registering_leaves_a_whole_version_or_none(
    launch, ask, mlflow, run_id, empty_world
):
    body = {"run_id": run_id, "artifact_path": "model"}
    store = empty_world.folder / "registry" / "artifacts"
    service = launch(mlflow.url).ready()
    for delay in (0.05, 0.15, 0.3):
        asking = threading.Thread(target=_register_until_killed, args=(ask, service, body))
        asking.start()
        asking.join(delay)
        service.kill()
        asking.join()

        service = launch(mlflow.url).ready()
        kept = {"sha256:" + path.name for path in (store / "sha256").iterdir()}
        assert set(versions_of(ask, service)) <= kept
        assert not list((store / "incoming").iterdir())
        assert ask(service, "GET", "/v1/ledger/verify").json()["problem"] is None

    answer = ask(service, "POST", "/v1/models/sentiment/versions", "trainer", json=body)
    assert answer.status_code in (200, 201)
    assert len(versions_of(ask, service)) == 1


def _register_until_killed(ask, process, body):
    try:
        ask(process, "POST", "/v1/models/sentiment/versions", "trainer", json=body)
    except httpx.TransportError:
        return


def test_of_many_promotions_on_one_sequence_exactly_one_wins(launch, ask, empty_world):
    world = empty_world.start()
    world.put_policy(waivers_allowed=False)
    digest = world.register()
    seq = world.seq
    world.stop()
    service = launch().ready()
    body = {"digest": digest, "to": "ARCHIVED", "expected_seq": seq}

    def promote(_number):
        path = "/v1/models/sentiment/transitions"
        return ask(service, "POST", path, "operator", json=body).status_code

    with ThreadPoolExecutor(8) as callers:
        answers = sorted(callers.map(promote, range(8)))

    assert answers == [200] + [409] * 7
    lines = ask(service, "GET", "/v1/ledger").text.splitlines()
    assert len(lines) == seq + 1


def test_the_export_can_be_verified_by_others(launch, ask, empty_world):
    world = empty_world.start()
    world.put_policy()
    world.staged()
    world.stop()
    service = launch().ready()

    response = ask(service, "GET", "/v1/ledger")

    rows = [httpx.Response(200, text=line).json() for line in response.text.splitlines()]
    entries = [LedgerEntry(**{**row, "kind": EntryKind(row["kind"])}) for row in rows]
    assert verify_chain(entries).problem is None
    assert verify_chain(entries).entries == len(entries) > 4


def test_a_signal_ends_the_process_without_an_error(launch):
    service = launch().ready()
    service.popen.send_signal(signal.SIGTERM)

    assert service.popen.wait(20) == 0


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("port", 99999, "ISOGLOSS_REGISTRY_PROXY_PORT is '99999'"),
        ("mlflow_url", "mlflow", "ISOGLOSS_REGISTRY_PROXY_MLFLOW_URL is 'mlflow'"),
        ("callers_file", "no-such-file", "no-such-file cannot be read"),
        ("trust_file", "no-such-file", "ISOGLOSS_REGISTRY_PROXY_TRUST_FILE is no-such-file"),
        ("signing_key_file", "no-such-file", "no-such-file cannot be read"),
        ("data_dir", "/dev/null/registry", "DATA_DIR is /dev/null/registry: Not a directory"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(launch, setting, value, said):
    status, sentence = launch(**{setting: value}).refused()

    assert status in (1, 2)
    assert said in sentence


def test_a_trust_file_with_a_broken_key_stops_the_start(launch, empty_world):
    keys = [{"role": "gate", "public": "AAAA"}]
    empty_world._write("trust.json", {"keys": keys})

    status, sentence = launch().refused()

    assert status == 1
    assert "TRUST_FILE" in sentence


def test_two_processes_do_not_share_a_directory(launch):
    launch().ready()

    status, sentence = launch().refused()

    assert status == 1
    assert "is used by another registry-proxy" in sentence
