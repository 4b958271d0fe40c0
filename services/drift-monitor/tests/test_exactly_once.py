"""Whatever crashes when, however often and in which order batches come: totals are exact."""

import random
from itertools import pairwise

import pytest

from drift_monitor.adapters.journal import FileJournal
from drift_monitor.count import close_windows, count_records
from drift_monitor.intake import Intake

BASELINE = "sha256:" + "b" * 64
BATCHES, ROWS = 30, 40


class Life:
    """A service without its HTTP: each step may be the last before it is killed and starts anew."""

    def __init__(self, kit, folder, draw):
        self._kit, self._folder, self._draw = kit, folder, draw
        self._start()

    def _start(self):
        with self._kit.store.read() as transaction:
            applied = transaction.progress.applied()
            recent = transaction.progress.recent_batches(100)
        self._journal = FileJournal(self._folder, applied)
        self._intake = Intake(self._journal, 1000, recent)
        self._intake.recover(self._journal.read_after(applied))

    def killed(self):
        """Forget all that was in memory; the files stay as they are."""
        self._kit.store.close()
        self._kit.restart()
        self._start()

    def take(self, body):
        """Take a batch; the answer may be lost, so that it is sent again."""
        self._intake.take(body, self._kit.now)
        return self._draw.random() > 0.2

    def count(self):
        """Count a few batches; killed before or after the queue hears of it."""
        records = self._intake.first(self._draw.randint(1, 6))
        if not records:
            return
        kit = self._kit
        count_records(records, kit.store, kit.shelf, kit.rules)
        if self._draw.random() < 0.3:
            self.killed()
            return
        self._intake.done(records)
        self._journal.forget(records[-1].seq)

    def count_all(self):
        while len(self._intake):
            self.count()


@pytest.fixture
def batches(traffic, packed):
    source = traffic(seed=1)
    return [packed(source.document(ROWS, batch_id=f"b{n}", start=n * ROWS)) for n in range(BATCHES)]


@pytest.mark.parametrize("seed", range(6))
def test_totals_are_exact_after_kills_repeats_disorder_and_jumps_of_the_clock(
    kit, batches, reference_bytes, tmp_path, seed
):
    draw = random.Random(seed)  # noqa: S311 - the same story every time
    kit.references.files[BASELINE] = reference_bytes
    kit.now = 100_000.0
    life = Life(kit, tmp_path / "journal", draw)
    waiting = list(batches)
    while waiting:
        body = waiting.pop(draw.randrange(len(waiting)))
        if not life.take(body):
            waiting.append(body)
        kit.now += draw.choice([0.0, 5.0, 70.0, -3600.0, 7200.0])
        if draw.random() < 0.2:
            life.killed()
        if draw.random() < 0.5:
            life.count()
    life.count_all()

    with kit.store.read() as transaction:
        windows = [
            *transaction.drift.windows(closed=True),
            *transaction.drift.windows(closed=False),
        ]
        buckets = transaction.buckets.between(BASELINE, 0.0, 1e12)
        (version,) = transaction.registered.versions()
        assert transaction.answers.count(version) == BATCHES * ROWS
    assert sum(w.n for w in windows if w.slice == "all") == BATCHES * ROWS
    assert sum(b.n for b in buckets if b.slice == "all") == BATCHES * ROWS
    lengths = [w.n for w in windows if w.slice in {"short", "medium", "long"}]
    assert sum(lengths) <= BATCHES * ROWS
    of_all = sorted((w for w in windows if w.slice == "all"), key=lambda w: w.start)
    assert all(first.end <= second.start for first, second in pairwise(of_all))


def test_a_clock_that_is_set_back_does_not_reopen_a_closed_window(kit, traffic, reference_bytes):
    kit.references.files[BASELINE] = reference_bytes
    kit.count(traffic(seed=1).document(250, batch_id="before"))
    close_windows(kit.store, kit.now + 60, kit.rules.window_seconds)
    kit.count(traffic(seed=2).document(50, batch_id="late", start=250))
    with kit.store.read() as transaction:
        (closed,) = [w for w in transaction.drift.windows(closed=True) if w.slice == "all"]
        (open_one,) = [w for w in transaction.drift.windows(closed=False) if w.slice == "all"]
    assert (closed.n, open_one.n) == (250, 50)
    assert open_one.start >= closed.end
