"""What a hostile caller, run or tracking server sends at a process of its own: nothing is let in,
nothing is a fault of the server, and its memory stays bounded.
"""

import itertools
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

MOST_BYTES = 350_000_000
"""Of the process, whatever comes: its own start takes 120 MB, one look into a file up to 150."""
GIGABYTE = 1_000_000_000
TAGS = {"commit": "abc123"}
REGISTER = "/v1/models/sentiment/versions"


@pytest.fixture
def ask(empty_world):
    def request(process, method, path, role="predictor", **options):
        headers = {"authorization": f"Bearer {empty_world.tokens[role]}"}
        headers |= options.pop("headers", {})
        url = f"{process.url}{path}"
        return httpx.request(method, url, headers=headers, timeout=120, trust_env=False, **options)

    return request


def peak(process):
    """Most bytes that the process ever had in memory."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_mlflow_may_lose_or_change_everything_and_versions_are_served_on(launch, ask, mlflow, make):
    service = launch(mlflow.url).ready()
    run_id = mlflow.log(lambda run: make.an_artifact(run, weights=b"served"), tags=TAGS)
    body = {"run_id": run_id, "artifact_path": "model"}
    version = ask(service, "POST", REGISTER, "trainer", json=body).json()["version"]
    served = f"/v1/artifacts/{version['digest']}/files/model.skops"

    (tampered,) = mlflow.folder.glob(f"artifacts/**/{run_id}/artifacts/model/model.skops")
    tampered.write_bytes(b"tampered")
    assert ask(service, "GET", served).content == make.a_skops(b"served")
    assert ask(service, "POST", REGISTER, "trainer", json=body).status_code == 422

    api = f"{mlflow.url}/api/2.0/mlflow/runs/delete"
    httpx.post(api, json={"run_id": run_id}, trust_env=False).raise_for_status()
    collect_garbage(mlflow)
    assert not tampered.exists()
    assert ask(service, "GET", served).content == make.a_skops(b"served")
    assert ask(service, "GET", f"/v1/artifacts/{version['digest']}/manifest").status_code == 200
    whole = ask(service, "GET", "/v1/models/sentiment/versions/1").json()
    assert whole["lineage"]["run_id"] == run_id
    assert ask(service, "POST", REGISTER, "trainer", json=body).status_code == 404


def collect_garbage(mlflow):
    command = [
        *(sys.executable, "-m", "mlflow", "gc", "--tracking-uri", mlflow.url),
        *("--backend-store-uri", f"sqlite:///{mlflow.folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(mlflow.folder / "artifacts")),
    ]
    subprocess.run(command, capture_output=True, timeout=120, check=True)


ENCODINGS = {
    "plain": "../../../ledger.db",
    "percent": "%2e%2e%2f%2e%2e%2f%2e%2e%2fledger.db",
    "double percent": "%252e%252e%252f%252e%252e%252fledger.db",
    "backslash": "..%5c..%5c..%5cledger.db",
    "overlong utf-8": "%c0%ae%c0%ae%c0%af%c0%ae%c0%ae%c0%afledger.db",
    "full width": "%ef%bc%8e%ef%bc%8e%ef%bc%8fledger.db",
    "absolute": "%2fetc%2fpasswd",
    "zero byte": "model.skops%00.json",
}


def test_no_path_in_any_encoding_leaves_an_artifact(launch, ask, empty_world):
    world = empty_world.start()
    world.put_policy()
    digest = world.register()
    world.stop()
    service = launch().ready()
    for path in ENCODINGS.values():
        for place in (f"{digest}/files/{path}", f"{path}/manifest", f"{path}/files/model.skops"):
            status = raw_get(service, f"/v1/artifacts/{place}", world.tokens["predictor"])
            assert 400 <= status < 500, (place, status)
        body = {"run_id": "r1", "artifact_path": httpx.URL(f"http://x/{path}").path[1:]}
        assert ask(service, "POST", REGISTER, "trainer", json=body).status_code in (404, 422, 502)
        body = {"run_id": path, "artifact_path": "model"}
        assert ask(service, "POST", REGISTER, "trainer", json=body).status_code == 422


def raw_get(service, target, token):
    """Send a path as it stands: clients tidy dots away."""
    url = httpx.URL(service.url)
    request = httpx.Request("GET", url, headers={"authorization": f"Bearer {token}"})
    request.url = url.copy_with(raw_path=target.encode())
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.send(request).status_code


def test_bodies_of_a_gigabyte_are_refused_in_little_memory(launch, ask):
    service = launch().ready()
    chunk = b"x" * 1_000_000
    for path, method in [(REGISTER, "POST"), ("/v1/models/sentiment/policy", "PUT")]:
        for declared in (True, False):
            body = itertools.repeat(chunk, GIGABYTE // len(chunk))
            headers = {"content-length": str(GIGABYTE)} if declared else {}
            role = "trainer" if path == REGISTER else "operator"
            try:
                answer = ask(service, method, path, role, content=body, headers=headers)
            except (httpx.WriteError, httpx.RemoteProtocolError):
                continue  # the connection was closed before the body was sent
            assert answer.status_code == 413
    assert ask(service, "GET", "/v1/models").status_code == 200
    assert peak(service) < MOST_BYTES


def hostile(make):
    """Artifacts that are small and unfold, or name more than they have."""
    schema = {"schema.json": b'{"__loader__": "ListNode"}'}
    bomb = make.a_zip({**schema, "1.npy": b"\0" * 60_000_000}, zipfile.ZIP_DEFLATED)
    lzma = make.a_zip({**schema, "1.npy": b"\0" * 60_000_000}, zipfile.ZIP_LZMA)
    return {
        "zip bomb": {"model.skops": bomb},
        "lzma bomb": {"model.skops": lzma},
        "bomb in the schema": {
            "model.skops": make.a_zip({"schema.json": b" " * 60_000_000}, zipfile.ZIP_DEFLATED)
        },
        "nested bomb": {"model.skops": make.a_zip({**schema, "1.npy": bomb})},
        "zip-slip": {"model.skops": make.a_zip({**schema, "../../ledger.db": b"x"})},
        "json of lists": {"words.json": b"[" + b"[]," * 10_000_000 + b"[]]"},
        "deep json": {"words.json": b"[" * 5_000_000},
        "one long number": {"words.json": b"1" * 20_000_000},
        "header of a terabyte": {"scorer.safetensors": (2**40).to_bytes(8, "little") + b"{}"},
        "turtles": {"model.onnx": b"\x3a\x7f" * 1_000_000},
        "fields without end": {"model.onnx": b"\x08\x01" * 10_000_000},
    }


def test_hostile_artifacts_are_refused_by_name_in_little_memory(launch, ask, mlflow, make):
    service = launch(mlflow.url).ready()
    for files in hostile(make).values():
        (name,) = files

        def artifact(run, files=files):
            return {**files, "manifest.json": make.a_manifest(run, files)}

        body = {"run_id": mlflow.log(artifact, tags=TAGS), "artifact_path": "model"}
        answer = ask(service, "POST", REGISTER, "trainer", json=body)
        assert answer.status_code == 422, answer.text
        assert name in answer.json()["detail"]
    assert ask(service, "GET", "/v1/models/sentiment").json()["versions"] == []
    assert peak(service) < MOST_BYTES


YAML = {
    "laughs": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(
        b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 120)
    ),
    "laughs as gates": b"kind: GatePolicy\nname: &a [x,x,x,x,x,x,x,x]\n"
    b"version: &b [*a,*a,*a,*a,*a]\ngates: [*b,*b,*b,*b,*b,*b]\n",
    "itself": b"&a {gates: *a, kind: GatePolicy}",
    "python": b"!!python/object/apply:os.system [reboot]",
    "new": b"!!python/object/new:type {args: [x, !!python/tuple [], {}]}",
    "merge": b"a: &a {<<: *a}\n",
    "merge without end": b"&a {<<: [" + b"{}," * 200_000 + b"{}]}",
    "deep": b"[" * 200_000,
    "long number": b"version: 1" + b"0" * 1_000_000,
    "base sixty": b"version: " + b"1:" * 100_000 + b"1",
    "binary": b"name: !!binary " + b"A" * 1_000_000,
    "date": b"version: 99999-99-99T99:99:99Z",
    "many documents": b"---\na: 1\n" * 100_000,
    "wide keys": b"".join(b"? [%d]\n: 1\n" % n for n in range(50_000)),
}


def test_hostile_yaml_is_refused_in_little_memory(launch, ask):
    service = launch().ready()
    for name, content in YAML.items():
        answer = ask(service, "PUT", "/v1/models/sentiment/policy", "operator", content=content)
        assert 400 <= answer.status_code < 500, (name, answer.status_code, answer.text[:300])
    assert ask(service, "GET", "/v1/models/sentiment/policy").status_code == 404
    assert peak(service) < MOST_BYTES
