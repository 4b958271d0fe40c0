"""Builders of event batches and References, a fake registry, and the tables on a real file."""

import hashlib
import json

import msgpack
import numpy as np
import pytest
from safetensors.numpy import save

from drift_monitor.adapters.store import SqlStore
from drift_monitor.batches import read_batch
from drift_monitor.count import Rules, count_records
from drift_monitor.ports import Record, ReferenceRefused
from drift_monitor.shelf import Shelf

BASELINE = "sha256:" + "b" * 64
CANDIDATE = "sha256:" + "c" * 64
LABELS = ["negative", "positive"]


class Traffic:
    """Random rows of one kind of text; `shift` moves the topic, the rest moves what it says."""

    def __init__(self, seed=0, shift=0.0, positive=0.5, words=120.0):
        self._rng = np.random.default_rng(seed)
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
            "words": np.maximum(1, rng.lognormal(np.log(self._words), 0.3, rows)).astype("i4"),
            "oov": rng.beta(1, 20, rows).astype("f4"),
            "non_letter": rng.beta(4, 60, rows).astype("f4"),
        }

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
                "language": ["en"] * rows,
                "truncated": [False] * rows,
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
        self._path = directory / "drift.db"
        self._seq = 0
        self.restart()

    def restart(self):
        self.store = SqlStore(self._path)
        self.shelf = Shelf(self.references, lambda: self.now)

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
    return save(Traffic(seed=1).columns(1000))


@pytest.fixture
def fake_references():
    return FakeReferences()


@pytest.fixture(scope="session")
def artifact():
    """A manifest and its Reference as the registry serves them, with the digest of both."""
    content = save(Traffic(seed=1).columns(300))
    file_digest = "sha256:" + hashlib.sha256(content).hexdigest()
    manifest = json.dumps({"files": {"reference.safetensors": file_digest}}).encode()
    return "sha256:" + hashlib.sha256(manifest).hexdigest(), manifest, content


@pytest.fixture(scope="session")
def batch_of():
    return lambda document: read_batch(pack(document))
