"""Collecting what no version names, also while somebody registers the very same bytes."""

import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_proxy.adapters.artifact_files import ArtifactFiles
from registry_proxy.adapters.yaml_documents import read_yaml
from registry_proxy.artifacts.collect import Collector
from registry_proxy.artifacts.manifests import named_files
from registry_proxy.artifacts.ports import Mark, MarkKind
from registry_proxy.artifacts.register import Admission, Registration
from registry_proxy.artifacts.reserve import BeingCollected
from servicekit.signing import Verifier

LATER = 10_000_000_000.0
ACTIONS = ("register", "register again", "collect", "collect again")


class Book:
    """Implements `artifacts.ports.Versions` on a list."""

    def __init__(self):
        self.recorded, self.origins = [], set()

    def record(self, _model, _actor, digest, _lineage, metadata):
        self.recorded.append(digest)
        self.origins.update(metadata["made_from"].values())

    def refuse(self, *_asked):
        raise AssertionError("nothing is refused here")

    def digests(self):
        return {*self.recorded, *self.origins}


class Turns:
    """Lets one of several threads take one step at a time, in a given order."""

    def __init__(self, order):
        self._order = list(order)
        self._waiting = {}
        self._changed = threading.Condition()
        self._alive = set()

    def run(self, actions):
        self._alive = set(range(len(actions)))
        threads = [
            threading.Thread(target=self._act, args=(number, action))
            for number, action in enumerate(actions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "the actions wait for each other"

    def step(self, _what=None):
        me = threading.get_ident()
        with self._changed:
            number = self._waiting[me]
            assert self._changed.wait_for(lambda: self._next() == number, 60)
            if self._order:
                self._order.pop(0)
            self._changed.notify_all()

    def _next(self):
        """Whose turn it is: the order names one of those that are still there."""
        alive = sorted(self._alive)
        return alive[self._order[0] % len(alive)] if self._order else alive[0]

    def _act(self, number, action):
        with self._changed:
            self._waiting[threading.get_ident()] = number
        try:
            action()
        finally:
            with self._changed:
                self._alive.discard(number)
                self._changed.notify_all()


class Stepping:
    """Everything of a port, one step at each call and at each item listed."""

    def __init__(self, port, turns):
        self._port, self._turns = port, turns

    def __getattr__(self, name):
        method = getattr(self._port, name)

        def call(*arguments):
            self._turns.step(name)
            answer = method(*arguments)
            return list(answer) if name in {"kept", "all"} else answer

        return call


def admission(runs, store, versions):
    return Admission(runs, store, store, versions, 10_000_000, read_yaml, Verifier({}))


@pytest.fixture
def registered(make):
    """Register the same run's artifact into a store and a book."""

    def register(store, book):
        runs = make.FakeRuns()
        runs.add(make.a_run(), "model", make.an_artifact())
        admission(runs, store, book).register(Registration("m", "me", "r1", "model"))

    return register


def collector(store, book, now=LATER):
    return Collector(store, store, book, lambda: now)


def test_what_no_version_names_goes_and_what_one_names_stays(tmp_path, make, registered):
    store, book = ArtifactFiles(tmp_path), Book()
    registered(store, book)
    orphan = orphaned(store, make)

    looked = collector(store, book).collect(0, dry_run=True)
    assert [kept.digest for kept in looked.removed] == [orphan]
    assert store.manifest(orphan)

    collected = collector(store, book).collect(0, dry_run=False)
    assert [kept.digest for kept in collected.removed] == [orphan]
    assert collected.freed_bytes > 0
    assert collected.named == 2
    assert {kept.digest for kept in store.kept()} == {*book.recorded, *book.origins}


def orphaned(store, make, run="r9"):
    files = make.an_artifact(run)
    digest = make.sha256_digest(files["manifest.json"])
    with store.receive() as intake:
        for name, content in files.items():
            intake.write(name, [content])
        intake.commit(digest)
    return digest


def test_what_is_young_is_spared(tmp_path, make):
    store = ArtifactFiles(tmp_path)
    orphan = orphaned(store, make)
    (kept,) = store.kept()

    collected = collector(store, Book(), kept.written_at + 3599).collect(3600, dry_run=False)

    assert collected.removed == []
    assert [each.digest for each in collected.spared] == [orphan]


def test_what_somebody_is_about_to_record_is_spared(tmp_path, make):
    store = ArtifactFiles(tmp_path)
    orphan = orphaned(store, make)
    store.put(Mark(MarkKind.RESERVED, orphan, "x"))
    (_, made_at), *_ = store.all(MarkKind.RESERVED)

    assert collector(store, Book(), made_at + 3600).collect(0, dry_run=False).removed == []
    assert store.manifest(orphan)
    # A day later it is a crash's.
    assert collector(store, Book(), made_at + 90_000).collect(0, dry_run=False).removed


def test_what_is_being_removed_is_not_registered_meanwhile(tmp_path, registered):
    store, book = ArtifactFiles(tmp_path), Book()
    registered(store, book)
    (digest,) = book.recorded
    book.recorded.clear()
    store.put(Mark(MarkKind.CONDEMNED, digest, "x"))

    with pytest.raises(BeingCollected, match="register it again in a moment"):
        registered(store, book)

    assert book.recorded == []
    assert list(store.all(MarkKind.RESERVED)) == []


@settings(max_examples=150, deadline=None)
@given(
    order=st.lists(st.integers(0, 3), max_size=60),
    there=st.booleans(),
    actions=st.lists(st.sampled_from(ACTIONS), min_size=2, max_size=4),
)
def test_no_order_of_steps_loses_a_version(make, order, there, actions):
    with tempfile.TemporaryDirectory() as folder:
        store, book, turns = ArtifactFiles(Path(folder)), Book(), Turns(order)
        files = make.an_artifact()
        if there:
            orphaned(store, make, "r1")
        runs = make.FakeRuns()
        runs.add(make.a_run(), "model", files)
        stepping, versions = Stepping(store, turns), Stepping(book, turns)
        denied = []

        def register():
            try:
                asked = Registration("m", "me", "r1", "model")
                admission(runs, stepping, versions).register(asked)
            except BeingCollected:
                denied.append(1)

        def collect():
            # Soon, not LATER, when a mark is a crash's: all sides share a clock, more or less.
            soon = time.time() + 3600
            Collector(stepping, stepping, versions, lambda: soon).collect(0, dry_run=False)

        turns.run([register if action.startswith("r") else collect for action in actions])

        assert len(book.recorded) + len(denied) == sum(a.startswith("r") for a in actions)
        for digest in book.digests():
            whole = store.manifest(digest)
            assert whole is not None, "the ledger names what was removed"
            for name, content in named_files(whole).items():
                store.open(digest, name, content).close()
        assert not [*store.all(MarkKind.RESERVED), *store.all(MarkKind.CONDEMNED)]
