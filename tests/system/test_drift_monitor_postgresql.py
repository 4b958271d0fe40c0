"""The drift-monitor on a real PostgreSQL: the suite of its SQLite, and several replicas at once."""

import importlib.util
import sys
import threading
from pathlib import Path

import pytest

from drift_monitor.adapters.databases import open_postgresql
from drift_monitor.count import Rules, close_windows, count_records
from drift_monitor.ports import Record, StoreUnavailable
from drift_monitor.shelf import Shelf
from postgresql_server import PASSWORD

TESTS = Path(__file__).parents[2] / "services/drift-monitor/tests"
BASELINE = "sha256:" + "b" * 64


def _load(name):
    spec = importlib.util.spec_from_file_location(f"drift_{name}", TESTS / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


StoreSuite = _load("store_suite").StoreSuite
kit = _load("conftest")


class PostgresqlScene:
    def __init__(self, server):
        self.server = server
        self.url = server.database()
        self._opened = []

    def open(self, name):
        self._opened.append(open_postgresql(self.url, PASSWORD, name))
        return self._opened[-1]

    def close(self):
        for store in self._opened:
            store.close()
        self.server.drop(self.url)


@pytest.fixture
def scene(postgresql):
    opened = PostgresqlScene(postgresql)
    yield opened
    opened.close()


class TestPostgresqlStore(StoreSuite):
    def test_a_server_that_fell_over_is_used_again_once_it_is_back(self, store, scene):
        scene.server.restart()
        with store.begin() as transaction:
            assert transaction.progress.note_new({"a": 1.0}) == {"a"}


def test_replicas_that_count_at_once_lose_and_double_nothing(scene):
    references = kit.FakeReferences()
    references.files[BASELINE] = kit.Traffic(seed=1).reference(1000)
    batches = [
        kit.pack(kit.Traffic(seed=n).document(50, batch_id=f"b{n}", start=50 * n))
        for n in range(40)
    ]

    def replica(name, order):
        store = scene.open(name)
        shelf = Shelf(references, lambda: 1000.0)
        records = [Record(number, 1000.0, batches[n]) for number, n in enumerate(order, 1)]
        for start in range(0, len(records), 4):
            count_records(records[start : start + 4], store, shelf, Rules(60.0, 1000))

    # Both get everything, the other way round: redelivery to another replica.
    orders = {"one": list(range(40)), "other": list(range(39, -1, -1))}
    threads = [threading.Thread(target=replica, args=each) for each in orders.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with scene.open("third").read() as transaction:
        (version,) = transaction.registered.versions()
        windows = transaction.drift.windows(closed=False)
        (bucket,) = [
            b for b in transaction.buckets.between(BASELINE, 0.0, 2000.0) if b.slice == "all"
        ]
        assert transaction.answers.count(version) == 2000
        assert [w.n for w in windows if w.slice == "all"] == [2000]
        assert bucket.n == 2000
        assert not [number for number in bucket.sums[:32] if number % 1]


def test_a_replica_that_is_late_fills_the_next_window(scene):
    references = kit.FakeReferences()
    references.files[BASELINE] = kit.Traffic(seed=1).reference(1000)
    shelf, rules = Shelf(references, lambda: 1000.0), Rules(60.0, 1000)
    one, other = scene.open("one"), scene.open("other")

    def document(rows, name, start):
        return kit.pack(kit.Traffic(seed=2).document(rows, batch_id=name, start=start))

    count_records([Record(1, 1000.0, document(250, "a", 0))], one, shelf, rules)
    close_windows(one, 1060.0, 60.0)
    count_records([Record(1, 1000.0, document(50, "b", 250))], other, shelf, rules)
    with one.read() as transaction:
        (closed,) = [w for w in transaction.drift.windows(closed=True) if w.slice == "all"]
        (late,) = [w for w in transaction.drift.windows(closed=False) if w.slice == "all"]
    assert (closed.n, late.n, late.start) == (250, 50, closed.end)


def test_a_wrong_password_is_refused_and_not_told(scene):
    with pytest.raises(StoreUnavailable, match="password authentication failed") as refused:
        open_postgresql(scene.url, "wrong one", "one")
    assert "wrong one" not in str(refused.value)
