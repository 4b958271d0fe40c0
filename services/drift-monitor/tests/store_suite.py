"""What every store must do, SQLite's and PostgreSQL's; a scene opens replicas of one database."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from drift_monitor.answers import Answer, AnswerColumns
from drift_monitor.buckets import Bucket
from drift_monitor.detectors import Cosine
from drift_monitor.labelling import Candidate, priority_of
from drift_monitor.pairings import Pairing
from drift_monitor.ports import Report, StoreUnavailable
from drift_monitor.traffic_ports import AcceptedFile
from drift_monitor.traffic_samples import DAY_SECONDS, KEPT_A_DAY, TrafficDay, TrafficRow
from drift_monitor.windows import Window

DIGEST = "sha256:" + "b" * 64
LABELS = ("negative", "positive")


def an_answer(name, label="positive"):
    return Answer(
        name,
        name,
        first=True,
        outcome="ok",
        label=label,
        time=10.0,
        fingerprint="",
        latency_bucket=3,
        slices=("short",),
    )


def some_held(*names):
    n = len(names)
    return AnswerColumns(
        request_id=names,
        outcome=["ok"] * n,
        label=["positive"] * n,
        time=[10.0] * n,
        fingerprint=[""] * n,
        latency_bucket=[3] * n,
        slices=[0] * n,
        slice_names=[("short",)],
    )


def a_window(n=3, start=0.0):
    return Window(DIGEST, "all", start, start + 60, n, np.full(4, float(n)))


def a_candidate(name, stratum=0):
    priority = priority_of(name, 0.0)
    return Candidate(name, stratum, priority, "positive", 0.9, 5.0, ("all", "short"))


class StoreSuite:
    """Subclassed beside each database; `scene.open(name)` returns a replica's store."""

    @pytest.fixture
    def store(self, scene):
        return scene.open("one")

    def test_a_transaction_that_fails_leaves_nothing(self, store):
        def fail_in_the_middle():
            with store.begin() as transaction:
                transaction.progress.advance(7)
                transaction.drift.save_window(a_window())
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_in_the_middle()
        with store.read() as transaction:
            assert transaction.progress.applied() == 0
            assert transaction.drift.open_window(DIGEST, "all") is None

    def test_each_replica_has_a_mark_of_its_own_and_batches_are_everybodys(self, scene):
        one, other = scene.open("one"), scene.open("other")
        with one.begin() as transaction:
            transaction.progress.advance(7)
            assert transaction.progress.note_new({"a": 1.0, "b": 1.0}) == {"a", "b"}
        with other.begin() as transaction:
            assert transaction.progress.applied() == 0
            assert transaction.progress.note_new({"b": 2.0, "c": 2.0}) == {"c"}
            assert set(transaction.progress.recent_batches(10)) == {"a", "b", "c"}

    def test_one_decides_until_its_lease_is_over(self, scene):
        one, other = scene.open("one"), scene.open("other")

        def decides(store, now):
            with store.begin() as transaction:
                return transaction.progress.may_decide(now, now + 15)

        assert [decides(one, 0.0), decides(other, 1.0), decides(one, 10.0)] == [True, False, True]
        assert [decides(other, 24.0), decides(other, 26.0), decides(one, 27.0)] == [
            False,
            True,
            False,
        ]

    def test_buckets_of_several_replicas_add_up(self, scene):
        one, other = scene.open("one"), scene.open("other")
        for store, n in ((one, 3), (other, 4)):
            with store.begin() as transaction:
                transaction.buckets.add(Bucket(DIGEST, "all", 0.0, n, np.full(4, float(n))))
        with one.read() as transaction:
            (bucket,) = transaction.buckets.between(DIGEST, 0.0, 60.0)
            assert (bucket.n, bucket.sums.tolist()) == (7, [7.0] * 4)
            assert transaction.buckets.between(DIGEST, 60.0, 90.0) == []
            assert transaction.buckets.versions_since(0.0) == {DIGEST}

    def test_a_window_is_open_then_closed_then_tested_once(self, store):
        with store.begin() as transaction:
            transaction.drift.save_window(a_window())
            transaction.drift.save_window(replace(a_window(), n=5), closed=True)
            assert transaction.drift.open_window(DIGEST, "all") is None
            (closed,) = transaction.drift.windows(closed=True)
            assert (closed.n, closed.sums.tolist()) == (5, [3.0] * 4)
            assert transaction.drift.closed_until(DIGEST, "all") == 60.0
            transaction.drift.tested(closed, {}, Cosine(0.02, 0.5))
        with pytest.raises(StoreUnavailable), store.begin() as transaction:
            transaction.drift.tested(closed, {}, Cosine(0.02, 0.5))

    def test_answers_keep_their_first_and_labels_their_last(self, store):
        with store.begin() as transaction:
            version = transaction.registered.version("sentiment", DIGEST, LABELS)
            transaction.answers.add(version, 10.0, [an_answer("a"), an_answer("b")])
            transaction.answers.add(version, 11.0, [an_answer("b", "negative")])
            transaction.answers.label(12.0, {"a": "negative"})
            transaction.answers.label(13.0, {"a": "positive"})
            assert transaction.answers.count(version) == 2
            transaction.answers.add(version, 20.0, [an_answer("c")])
            assert transaction.answers.count(version, 20.0) == 1
            assert transaction.registered.versions("sentiment") == [version]

    def test_answers_that_are_held_become_rows_when_somebody_asks(self, store):
        with store.begin() as transaction:
            version = transaction.registered.version("sentiment", DIGEST, LABELS)
            transaction.answers.hold(version, 10.0, some_held("a#0", "a#1"))
            transaction.answers.hold(version, 11.0, some_held("a#1", "b"))
            assert transaction.answers.repeats("sentiment", DIGEST, 0.0).texts == 0
            assert transaction.answers.count(version) == 4
            transaction.answers.unpack_held("sentiment", DIGEST)
            transaction.answers.unpack_held("sentiment", "sha256:" + "e" * 64)
            assert transaction.answers.count(version) == 3

    def test_the_newest_answers_are_held_and_the_old_ones_go(self, store):
        with store.begin() as transaction:
            version = transaction.registered.version("sentiment", DIGEST, LABELS)
            for time in (10.0, 11.0, 12.0):
                transaction.answers.hold(version, time, some_held(f"{time}-1", f"{time}-2"))
            transaction.answers.drop_held(version, 4)
            assert transaction.answers.count(version) == 4
            transaction.answers.drop_held(version, 3)
            assert transaction.answers.count(version) == 4
            transaction.forget(1000.0, 86_400.0)
            assert transaction.answers.count(version) == 0

    def test_what_is_drawn_is_bounded_listed_once_and_joined_with_its_labels(self, store):
        names = [f"request-{number}" for number in range(500)]
        with store.begin() as transaction:
            for start in range(0, 500, 50):
                transaction.sample.offer(
                    DIGEST, 0.0, [a_candidate(name) for name in names[start : start + 50]]
                )
            transaction.sample.offer(DIGEST, 0.0, [a_candidate(names[0])])
            kept = transaction.sample.candidates(DIGEST, 0.0)
            lowest = sorted(names, key=lambda name: (priority_of(name, 0.0), name))[:200]
            assert set(lowest) <= {candidate.request_id for candidate in kept}
            assert len(kept) <= 400
            assert transaction.sample.open_cohorts() == [(DIGEST, 0.0)]
            transaction.sample.close(DIGEST, 0.0, {lowest[0]: 0.5, lowest[1]: 0.5})
            transaction.answers.label(9.0, {lowest[1]: "negative"})
            first, second = transaction.sample.drawn(DIGEST, 0.0)
            assert {first.truth, second.truth} == {None, "negative"}
            assert transaction.answers.unused([lowest[0], "nobodys"]) == 1
            assert transaction.sample.open_cohorts() == []

    def test_of_a_day_the_rows_with_the_lowest_priorities_are_kept(self, store):
        rows = [TrafficRow(priority, 7, "en", b"row") for priority in range(2 * KEPT_A_DAY + 1)]
        with store.begin() as transaction:
            assert transaction.traffic.highest(DIGEST, 0.0) == inf
            transaction.traffic.keep(DIGEST, TrafficDay(0.0, 5000, rows[::-1]))
            transaction.traffic.keep(DIGEST, TrafficDay(0.0, 100, rows[:3]))
            transaction.traffic.keep(DIGEST, TrafficDay(DAY_SECONDS, 1, rows[:1]))
        with store.read() as transaction:
            assert transaction.traffic.highest(DIGEST, 0.0) == KEPT_A_DAY - 1
            (day,) = transaction.traffic.between(DIGEST, 0.0, DAY_SECONDS)
        assert (day.seen, list(day.rows)) == (5100, rows[:KEPT_A_DAY])
        with store.begin() as transaction:
            transaction.forget(40 * DAY_SECONDS, 39.5 * DAY_SECONDS)
            (left,) = transaction.traffic.between(DIGEST, 0.0, 9 * DAY_SECONDS)
        assert left.day == DAY_SECONDS

    def test_accepted_traffic_replaces_what_was_accepted_before_with_its_nulls(self, store):
        first, second = (AcceptedFile(DIGEST, f"sha256:{n}", 1.0, b"rows") for n in (1, 2))
        with store.begin() as transaction:
            transaction.accepted.put(first)
            transaction.nulls.save(DIGEST, "sha256:1 all", b"null")
            transaction.nulls.save(DIGEST, "all", b"own")
            transaction.accepted.put(first)
            assert transaction.nulls.load(DIGEST, "sha256:1 all") == b"null"
            transaction.accepted.put(second)
        with store.read() as transaction:
            assert transaction.accepted.sha256_of(DIGEST) == "sha256:2"
            assert transaction.accepted.file_of(DIGEST) == second
            assert transaction.accepted.file_of("sha256:other") is None
            assert transaction.nulls.load(DIGEST, "sha256:1 all") is None
            assert transaction.nulls.load(DIGEST, "all") == b"own"

    def test_a_report_replaces_the_one_for_the_same_time(self, store):
        with store.begin() as transaction:
            transaction.reports.put("sentiment", Report(7.0, "first", "{}", "<p>"))
            transaction.reports.put("sentiment", Report(7.0, "again", "{}", "<p>"))
            transaction.reports.put("sentiment", Report(9.0, "later", "{}", "<p>"))
            kept = transaction.reports.of_model("sentiment")
        assert [report.summary for report in kept] == ["later", "again"]

    def test_what_is_old_is_forgotten_and_what_a_pairing_needs_is_not(self, store):
        with store.begin() as transaction:
            version = transaction.registered.version("sentiment", DIGEST, LABELS)
            transaction.answers.add(version, 10.0, [an_answer("a")])
            transaction.buckets.add(Bucket(DIGEST, "all", 0.0, 3, np.zeros(4)))
            transaction.sample.offer(DIGEST, 0.0, [a_candidate("a")])
            pairing = Pairing("sentiment", "r1", DIGEST, "sha256:" + "c" * 64, 5.0)
            transaction.registered.put([pairing])
            transaction.forget(100_000.0, 86_400.0)
            assert transaction.answers.count(version) == 1
            assert transaction.buckets.between(DIGEST, 0.0, 1e9) == []
            assert transaction.sample.open_cohorts() == []
            transaction.registered.put([replace(pairing, until=6.0)])
            transaction.forget(100_000.0, 86_400.0)
            assert transaction.answers.count(version) == 0
