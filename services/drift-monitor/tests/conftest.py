"""Builders of event batches and References, a fake registry, and the tables on a real file."""

import asyncio
import contextlib
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import msgpack
import numpy as np
import pytest
from safetensors.numpy import save

from drift_monitor.adapters.databases import open_sqlite
from drift_monitor.app import create_app
from drift_monitor.batches import read_batch
from drift_monitor.count import Rules, count_records
from drift_monitor.judge import Judging
from drift_monitor.ports import Record, ReferenceRefused
from drift_monitor.quiet import Effort
from drift_monitor.settings import DriftMonitorSettings
from drift_monitor.shelf import Shelf
from drift_monitor.standards import Standards
from servicekit.process import Health
from servicekit.signing import generate_key

# The same as the registry-proxy's: a document promises the same everywhere.
_OPENAPI_FUZZ = Path(__file__).parents[3] / "libs/servicekit/tests/openapi_fuzz.py"
_SUITE = "drift_monitor_store_suite"
_spec = importlib.util.spec_from_file_location(_SUITE, Path(__file__).with_name("store_suite.py"))
sys.modules[_SUITE] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules[_SUITE])

BASELINE = "sha256:" + "b" * 64
CANDIDATE = "sha256:" + "c" * 64
LABELS = ["negative", "positive"]


class Traffic:
    """Random rows of one kind of text; `shift` moves the topic, the rest moves what it says."""

    def __init__(self, seed=0, shift=0.0, positive=0.5, words=120.0, truncated=0.05, german=0.1):  # noqa: PLR0913, PLR0917 - what texts differ by
        self._rng = np.random.default_rng(seed)
        self._truncated = truncated
        self._german = german
        self._shift = shift
        self._positive = positive
        self._words = words

    def columns(self, rows):
        rng = self._rng
        label = (rng.random(rows) < self._positive).astype(np.int64)
        confidence = 0.5 + 0.5 * rng.beta(4, 1, rows)
        of_label = label[:, None] == np.arange(2)
        return {
            "projection": (rng.normal(size=(rows, 64)) / 8 + 0.04 + self._shift).astype(np.float16),
            "scores": np.where(of_label, confidence[:, None], 1 - confidence[:, None]).astype("f4"),
            "label_indices": label,
            "true_indices": np.where(rng.random(rows) < confidence, label, 1 - label),
            "words": np.maximum(1, rng.lognormal(np.log(self._words), 0.3, rows)).astype("i4"),
            "oov": rng.beta(1, 20, rows).astype("f4"),
            "non_letter": rng.beta(4, 60, rows).astype("f4"),
            "truncated": rng.random(rows) < self._truncated,
            "language_index": (rng.random(rows) >= self._german).astype(np.int16),
        }

    def reference(self, rows):
        return save(self.columns(rows), metadata={"languages": '["de", "en"]'})

    def document(self, rows, batch_id="batch-1", version=BASELINE, start=0, **columns):
        drawn = self.columns(rows)
        names = [f"request-{start + row}" for row in range(rows)]
        return {
            "schema": 1,
            "batch_id": batch_id,
            "model": "sentiment",
            "version": version,
            "labels": LABELS,
            "rows": rows,
            "columns": {
                "request_id": names,
                "time": [1000.0] * rows,
                "outcome": ["ok"] * rows,
                "label": drawn["label_indices"].tolist(),
                "scores": drawn["scores"].tolist(),
                "latency_ms": [3.0] * rows,
                "characters": (drawn["words"] * 6).tolist(),
                "words": drawn["words"].tolist(),
                "tokens": drawn["words"].tolist(),
                "oov": drawn["oov"].tolist(),
                "non_letter": drawn["non_letter"].tolist(),
                "language": [["de", "en"][index] for index in drawn["language_index"]],
                "truncated": drawn["truncated"].tolist(),
                "projection": drawn["projection"].astype("<f2").tobytes(),
                "fingerprint": [hashlib.sha256(n.encode()).hexdigest()[:32] for n in names],
                "slices": [{"length": "short", "language": "en"} for _ in range(rows)],
            }
            | columns,
        }


def pack(document):
    return msgpack.packb(document)


class FakeReferences:
    """A registry in memory: implements `ports.References`."""

    def __init__(self):
        self.files = {}
        self.failure = None
        self.asked = 0

    def fetch(self, digest):
        self.asked += 1
        if self.failure:
            raise self.failure
        if digest not in self.files:
            raise ReferenceRefused(f"the registry has no manifest of {digest}")
        return self.files[digest]


class Kit:
    """Everything behind the routes on a real database, with a clock that is moved by hand."""

    def __init__(self, directory):
        self.now = 1000.0
        self.references = FakeReferences()
        self.rules = Rules(window_seconds=60.0, pair_limit=1000)
        self.quality = None
        self._path = directory / "drift.db"
        self._seq = 0
        self.restart()

    def restart(self):
        self.store = open_sqlite(self._path, "one")
        self.shelf = Shelf(self.references, lambda: self.now)
        standards = Standards(self.store, Effort(windows=500, paths=20))
        self.judging = Judging(
            self.shelf, standards, 1.0, 3600.0, lambda *_: self.quality, self.rules.pace
        )

    def count(self, *documents):
        records = []
        for document in documents:
            self._seq += 1
            records.append(Record(self._seq, self.now, pack(document)))
        return count_records(records, self.store, self.shelf, self.rules)

    def begin(self):
        return self.store.begin()


@pytest.fixture
def kit(tmp_path):
    made = Kit(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def traffic():
    return Traffic


@pytest.fixture(scope="session")
def packed():
    return pack


@pytest.fixture(scope="session")
def reference_bytes():
    return Traffic(seed=1).reference(1000)


@pytest.fixture
def fake_references():
    return FakeReferences()


@pytest.fixture(scope="session")
def artifact():
    """A manifest and its Reference as the registry serves them, with the digest of both."""
    content = Traffic(seed=1).reference(300)
    file_digest = "sha256:" + hashlib.sha256(content).hexdigest()
    manifest = json.dumps({"files": {"reference.safetensors": file_digest}}).encode()
    return "sha256:" + hashlib.sha256(manifest).hexdigest(), manifest, content


@pytest.fixture(scope="session")
def batch_of():
    return lambda document: read_batch(pack(document))


_ROLES = ("predictor", "operator", "rollout-controller", "trainer")
_PAIRING = "/v1/models/sentiment/pairings/r1"


def settings_in(tmp_path):
    callers = [
        {"name": role, "roles": [role], "sha256": hashlib.sha256(role.encode()).hexdigest()}
        for role in _ROLES
    ]
    everybody = hashlib.sha256(b"everybody").hexdigest()
    callers.append({"name": "everybody", "roles": _ROLES, "sha256": everybody})
    for name, text in (("callers.json", json.dumps({"callers": callers})), ("token", "own")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    generate_key(tmp_path / "key.pem")
    return DriftMonitorSettings(
        data_dir=tmp_path / "data",
        registry_url="http://127.0.0.1:1",
        token_file=tmp_path / "token",
        callers_file=tmp_path / "callers.json",
        signing_key_file=tmp_path / "key.pem",
        window_seconds=60,
        queue_limit=3,
        labelling_seconds=600,
    )


@pytest.fixture
def settings(tmp_path):
    return settings_in(tmp_path)


@pytest.fixture(scope="session")
def lasting(tmp_path_factory):
    """Settings and a registry of an app for many tests, with whom the whole suite agrees."""
    return settings_in(tmp_path_factory.mktemp("monitor")), FakeReferences()


@pytest.fixture(scope="session")
def openapi_fuzz():
    """Schemathesis, which takes seconds to import, for those who need it."""
    spec = importlib.util.spec_from_file_location("drift_monitor_openapi_fuzz", _OPENAPI_FUZZ)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Monitor:
    """A client of a running app; `now` is the app's clock."""

    def __init__(self, app, world):
        self._app = app
        self.world = world
        transport = httpx.ASGITransport(app)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://monitor")

    async def ask(self, method, path, role="predictor", more=(), **options):
        headers = {"Content-Type": "application/json"} | dict(more)
        headers |= {"Authorization": f"Bearer {role}"} if role else {}
        return await self._http.request(method, path, headers=headers, **options)

    async def send(self, body):
        return await self.ask("POST", "/v1/events", content=body)

    async def counted(self):
        """Wait until everything that arrived is in the tables."""
        await _until(self._nothing_waits)

    async def _nothing_waits(self):
        return await self.sample("isogloss_drift_monitor_batches_waiting") == 0

    async def pairing(self):
        return (await self.ask("GET", _PAIRING)).json()

    async def sample(self, name):
        text = (await self.ask("GET", "/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return float(lines[0].rsplit(" ", 1)[1]) if lines else None


@pytest.fixture
def running(settings, fake_references):
    """Run a test's steps on a started app; started again it finds what the last one left."""

    def run(steps, these=settings):
        async def start():
            world = SimpleNamespace(now=1000.0, health=Health(), references=fake_references)
            effort = Effort(windows=500, paths=20)
            app = create_app(these, world.health, lambda: world.now, fake_references, effort)
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(app.router.lifespan_context(app))
                await steps(Monitor(app, world))

        asyncio.run(start())

    return run


@pytest.fixture(scope="session")
def until():
    return _until


async def _until(condition):
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - it is seen through HTTP only
            await asyncio.sleep(0.02)
