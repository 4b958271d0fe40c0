"""A whole registry-proxy in this process, on real files, with a clock that tests move."""

import asyncio
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import anyio.from_thread
import httpx
import obstore
import pytest
import yaml

from lifecycle.evidence import PAYLOAD_TYPE, SIGNERS, EvidenceKind
from registry_proxy.adapters.artifact_bucket import Bucket, _connect
from registry_proxy.app import build
from registry_proxy.settings import RegistryProxySettings
from servicekit.signing import generate_key

HERE = Path(__file__).parent


def _load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fakes = _load("registry_proxy_fakes", HERE / "fakes.py")
AdmittedSuite = _load("registry_proxy_admitted_suite", HERE / "admitted_suite.py").AdmittedSuite
_load("registry_proxy_ledger_suite", HERE / "ledger_suite.py")
_load("registry_proxy_outbox_suite", HERE / "outbox_suite.py")
SqliteScene = _load("registry_proxy_sqlite_scene", HERE / "sqlite_scene.py").SqliteScene
bucket_server = _load("registry_proxy_bucket_server", HERE / "bucket_server.py")
# One small Kubernetes API server for all members' tests, so that they agree on how it answers.
_API_SERVER = HERE.parents[2] / "libs/servicekit/tests/api_server.py"
ApiServer = _load("registry_proxy_api_server", _API_SERVER).ApiServer
_load("registry_proxy_issuer", _API_SERVER.with_name("issuer.py"))
_OPENAPI_FUZZ = _API_SERVER.with_name("openapi_fuzz.py")

API = "/api/2.0/mlflow"
START = 1_700_000_000.0
ROLES = ("operator", "trainer", "gate", "drift-monitor", "rollout-controller", "predictor")
SIGNING = ("gate", "drift-monitor", "rollout-controller", "registry-proxy")
POLICY = {
    "kind": "GatePolicy",
    "name": "sentiment",
    "version": "1.0.0",
    "evidence_max_age_hours": 24,
    "waivers_allowed": True,
    "gates": [
        {
            "name": "quality",
            "guards": ["REGISTERED->STAGING", "ARCHIVED->STAGING", "STAGING->PRODUCTION"],
            "evidence": "offline",
            "min_n": 1000,
            "rules": [
                {"measure": "macro_f1", "at_least": 0.8},
                {"measure": "macro_f1_difference", "margin": 0.02},
            ],
        },
        {
            "name": "speed",
            "guards": ["REGISTERED->STAGING"],
            "evidence": "latency",
            "rules": [{"measure": "latency_ms_p95", "at_most": 150}],
        },
        {
            "name": "shadow",
            "guards": ["SHADOW->CANARY"],
            "evidence": "shadow",
            "min_n": 200,
            "min_duration_seconds": 20,
            "rules": [
                {"measure": "disagreement", "at_most": 0.15},
                {"measure": "accuracy_difference", "margin": 0.02},
                {"measure": "coverage", "at_least": 0.99},
            ],
        },
        {
            "name": "canary",
            "guards": ["SHADOW->PRODUCTION"],
            "evidence": "canary",
            "min_n": 100,
            "rules": [
                {"measure": "error_ratio", "at_most": 0.05},
                {"measure": "slow_ratio", "at_most": 0.1},
            ],
        },
    ],
}


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class World:
    """One registry-proxy, everybody who calls it, and the keys they sign with."""

    model = "sentiment"

    def __init__(self, folder, portal):
        self._portal = portal
        self.folder = folder
        self.clock = Clock()
        self.runs = fakes.FakeRuns()
        self.tokens = {role: f"token of {role}" for role in ROLES}
        self.signers = {role: generate_key(folder / f"{role}.pem") for role in SIGNING}
        self.settings = self._write_settings()
        self._running = None

    def start(self):
        service = build(self.settings, self.clock, lambda _url, _timeout: self.runs)
        self.app, self.health = service.app, service.health
        self._running = self._portal.wrap_async_context_manager(
            self.app.router.lifespan_context(self.app)
        )
        self._running.__enter__()
        return self

    def stop(self):
        if self._running:
            self._running.__exit__(None, None, None)
        self._running = None

    def restart(self):
        self.stop()
        return self.start()

    def call(self, method, path, role="operator", headers=None, **options):
        async def ask():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://registry") as http:
                return await http.request(method, path, headers=sent, **options)

        known = {"authorization": f"Bearer {self.tokens[role]}"} if role else {}
        sent = headers if isinstance(headers, list) else {**known, **(headers or {})}
        return self._portal.call(ask)

    def get(self, path, role="predictor", **options):
        return self.call("GET", path, role, **options)

    def post(self, path, body, role="operator"):
        return self.call("POST", f"/v1/models/{self.model}{path}", role, json=body)

    @property
    def state(self):
        return self.get(f"/v1/models/{self.model}").json()

    @property
    def seq(self):
        return self.state["seq"]

    def version(self, reference):
        return self.get(f"/v1/models/{self.model}/versions/{reference}").json()

    def stages(self):
        return [version["stage"] for version in self.state["versions"]]

    def history(self, *kinds):
        entries = self.get(f"/v1/models/{self.model}/history").json()["entries"]
        return [entry for entry in entries if not kinds or entry["kind"] in kinds]

    def put_policy(self, **changes):
        content = yaml.safe_dump({**POLICY, **changes})
        return self.call("PUT", f"/v1/models/{self.model}/policy", content=content)

    def log(self, run_id, **changes):
        """Log a run with an artifact."""
        files = fakes.an_artifact(run_id, weights=run_id.encode(), **changes)
        self.runs.add(fakes.a_run(run_id), "model", files)

    def register(self, run_id="r1", **changes):
        """Log a run with an artifact and register it; returns the version's digest."""
        self.log(run_id, **changes)
        answer = self.post("/versions", {"run_id": run_id, "artifact_path": "model"}, "trainer")
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["version"]["digest"]

    def subjects(self, digest, **changes):
        held = [v["digest"] for v in self.state["versions"] if v["stage"] == "PRODUCTION"]
        fields = {
            "model": digest,
            "baseline": held[0] if held else "none",
            "dataset": fakes.TESTS_DIGEST,
            "prompt": "none",
            "policy": self.state["policy"],
            "image": "none",
        }
        return {**fields, **changes}

    def envelope(self, kind, digest, measurements, signer=None, subjects=None, **changes):
        """Sign Evidence as its producer does, or as `signer`."""
        about = self.subjects(digest, **(subjects or {}))
        made = fakes.evidence(kind, self.model, about, measurements, self.clock.now, **changes)
        role = signer or SIGNERS[EvidenceKind(kind)]
        return self.signers[role].sign(PAYLOAD_TYPE, made.to_bytes())

    def submit(self, kind, digest, measurements, **changes):
        envelope = self.envelope(kind, digest, measurements, **changes)
        return self.post("/evidence", envelope, "gate")

    def transition(self, digest, to="STAGING", expected_seq=None):
        seq = self.seq if expected_seq is None else expected_seq
        return self.post("/transitions", {"digest": digest, "to": to, "expected_seq": seq})

    def staged(self, run_id="r1"):
        """Bring a version that passes every offline Gate into STAGING."""
        digest = self.register(run_id)
        measured = fakes.cells(right=2800, wrong_by_both=100, wins=100)
        if self.subjects(digest)["baseline"] == "none":
            measured = fakes.without_baseline(measured)
        self.submit("offline", digest, [measured])
        self.submit("latency", digest, [fakes.latencies()])
        answer = self.transition(digest)
        assert answer.status_code == 200, answer.text
        return digest

    def start_rollout(self, digest, expected_seq=None):
        seq = self.seq if expected_seq is None else expected_seq
        body = {"digest": digest, "expected_seq": seq}
        return self.post("/rollouts", body, "rollout-controller")

    def advance(self, phase, step=-1, evidence=None, expected_seq=None):
        """Ask the latest rollout to take a step, a second after the last one."""
        self.clock.now += 1
        body = {"phase": phase, "step": step, "evidence": evidence}
        body["expected_seq"] = self.seq if expected_seq is None else expected_seq
        return self.rollout("advance", body)

    def rollout(self, verb, body):
        identity = self.state["rollout"]["id"]
        return self.post(f"/rollouts/{identity}/{verb}", body, "rollout-controller")

    def released(self, run_id="r1"):
        """Bring a first version to PRODUCTION."""
        digest = self.staged(run_id)
        self.start_rollout(digest)
        assert self.advance("SUCCEEDED").json()["advanced"]
        return digest

    def shadow_evidence(self, digest, **changes):
        measured = [fakes.pairs(**changes), fakes.labelled()]
        return self.envelope("shadow", digest, measured)

    def canary_evidence(self, digest, baseline=None, **changes):
        subjects = {"baseline": baseline} if baseline else {}
        measured = [fakes.requests(**changes), fakes.slow()]
        return self.envelope("canary", digest, measured, subjects=subjects)

    def in_canary(self, run_id="r2"):
        """Bring a second version to the first canary step."""
        digest = self.staged(run_id)
        assert self.start_rollout(digest).status_code == 201
        assert self.advance("SHADOWING").json()["advanced"]
        self.clock.now += 60
        answer = self.advance("CANARY", 0, self.shadow_evidence(digest))
        assert answer.json()["advanced"], answer.text
        return digest

    def in_production(self, run_id="r2"):
        """Bring a second version all the way to BAKING."""
        digest = self.in_canary(run_id)
        self.clock.now += 60
        answer = self.advance("BAKING", evidence=self.canary_evidence(digest))
        assert answer.json()["advanced"], answer.text
        return digest

    def add_caller(self, name, *roles, token=None):
        """Let somebody else in, or make the bearer of a token somebody else."""
        self.tokens.setdefault(name, token or f"token of {name}")
        entry = {"name": name, "roles": roles, "sha256": fakes.hashed(self.tokens[name])}
        others = [each for each in self.callers if each["sha256"] != entry["sha256"]]
        self.callers = [*others, entry]
        self._write("callers.json", {"callers": self.callers})

    def _write_settings(self):
        self.callers = [
            {"name": f"the {role}", "roles": [role], "sha256": fakes.hashed(token)}
            for role, token in self.tokens.items()
        ]
        self._write("callers.json", {"callers": self.callers})
        keys = [{"role": r, "public": s.public_text} for r, s in self.signers.items()]
        self._write("trust.json", {"keys": keys})
        return RegistryProxySettings(
            data_dir=self.folder / "registry",
            mlflow_url="http://127.0.0.1:9",
            callers_file=self.folder / "callers.json",
            trust_file=self.folder / "trust.json",
            signing_key_file=self.folder / "registry-proxy.pem",
        )

    def _write(self, name, document):
        (self.folder / name).write_text(json.dumps(document))
        (self.folder / name).chmod(0o600)


@pytest.fixture(scope="session")
def portal():
    with anyio.from_thread.start_blocking_portal() as opened:
        yield opened


@pytest.fixture
def empty_world(tmp_path, portal):
    """A registry that knows nothing."""
    world = World(tmp_path, portal).start()
    yield world
    world.stop()


@pytest.fixture
def world(empty_world):
    """A registry with a policy for the model `sentiment`."""
    assert empty_world.put_policy().status_code == 200
    return empty_world


@pytest.fixture(scope="module")
def lasting_world(tmp_path_factory, portal):
    """A registry with a policy and one version, for tests that leave its state alone."""
    world = World(tmp_path_factory.mktemp("world"), portal).start()
    assert world.put_policy().status_code == 200
    world.register()
    yield world
    world.stop()


@pytest.fixture
def scene(tmp_path):
    """A ledger in a file that is opened again and again, with a SQL prompt beside it."""
    opened = SqliteScene(tmp_path / "ledger.db")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def openapi_fuzz():
    """Schemathesis, which takes seconds to import, for those who need it."""
    return _load("registry_proxy_openapi_fuzz", _OPENAPI_FUZZ)


@pytest.fixture
def api_server():
    server = ApiServer().start()
    yield server
    server.stop()


@pytest.fixture
def kubeconfig(api_server, tmp_path):
    address = f"http://127.0.0.1:{api_server._http.server_port}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": address}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return {"KUBECONFIG": str(path)}


@pytest.fixture
def run():
    """Await something; one event loop for a whole test, as in a service."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="session")
def make():
    """The builders and fakes of `fakes.py`."""
    return fakes


@dataclass(frozen=True)
class MlflowServer:
    """A real tracking server; `log` writes a run as a training job does."""

    url: str
    folder: Path

    def log(self, files, folder="model", status="FINISHED", tags=None):
        """Log a run with an artifact, whose manifest may need the run's id: files(run_id)."""
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as http:
            created = http.post(f"{API}/runs/create", json={"experiment_id": "0", "start_time": 1})
            run = created.raise_for_status().json()["run"]["info"]
            logged = {
                "run_id": run["run_id"],
                "tags": [{"key": k, "value": v} for k, v in (tags or {}).items()],
                "params": [{"key": "family", "value": "tfidf_linear"}],
                "metrics": [
                    {"key": "f1_macro", "value": 0.9, "timestamp": 1, "step": 0},
                    {"key": "broken", "value": "NaN", "timestamp": 1, "step": 0},
                ],
            }
            http.post(f"{API}/runs/log-batch", json=logged).raise_for_status()
            root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            model = {f"{folder}/{name}": held for name, held in files(run["run_id"]).items()}
            for name, content in {**fakes.a_dataset(), **model}.items():
                path = f"/api/2.0/mlflow-artifacts/artifacts/{root}/{name}"
                http.put(path, content=content).raise_for_status()
            ended = {"run_id": run["run_id"], "status": status}
            http.post(f"{API}/runs/update", json=ended).raise_for_status()
        return run["run_id"]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory):
    """Start MLflow once for all tests that need it; about 15 s."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **off}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_answers(f"http://127.0.0.1:{port}/health", server, folder / "log")
        yield MlflowServer(f"http://127.0.0.1:{port}", folder)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture(scope="session")
def bucket_url(tmp_path_factory):
    """Start an S3-compatible server once for all tests that need it."""
    server = bucket_server.start_bucket_server(tmp_path_factory.mktemp("bucket"))
    obstore.put(_connect(_bucket(server.url, "first")), "made", b"")  # and the bucket with it
    yield server.url
    server.stop()


@pytest.fixture
def bucket(bucket_url):
    """A prefix of its own for each test."""
    return _bucket(bucket_url, f"tests/{uuid.uuid4().hex}")


def _bucket(url, prefix):
    keys = {"access_key_id": bucket_server.KEY, "secret_access_key": bucket_server.SECRET}
    return Bucket("artifacts", prefix, "us-east-1", url, **keys)


class Process:
    """`python -m registry_proxy` on the files of a world."""

    def __init__(self, world, environment=None, **settings):
        self.url = f"http://127.0.0.1:{settings['port']}"
        self.log = world.folder / "log"
        values = world.settings.model_dump(mode="json", exclude_none=True) | settings
        names = {f"ISOGLOSS_REGISTRY_PROXY_{k.upper()}": _text(v) for k, v in values.items()}
        with self.log.open("w") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "registry_proxy"],
                env={"PATH": os.environ["PATH"], **(environment or {}), **names},
                stdout=log,
                stderr=log,
            )

    def ready(self):
        wait_until_answers(f"{self.url}/readyz", self.popen, self.log)
        return self

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def refused(self):
        """Wait for the end; returns the exit status and the last line that was said."""
        status = self.popen.wait(60)
        return status, self.log.read_text().strip().splitlines()[-1]


@pytest.fixture
def launch(empty_world):
    """Start the service as a process; a second one takes the place of the first."""
    empty_world.stop()
    started = []

    def start(mlflow_url="http://127.0.0.1:9", **settings):
        settings = {"port": free_port(), "mlflow_url": mlflow_url, **settings}
        started.append(Process(empty_world, **settings))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def _text(value):
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until_answers(url, process, log, seconds=180):
    """Poll until the process answers 200, and fail with its log when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"{url} does not answer:\n{log.read_text()}")
