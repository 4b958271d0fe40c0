"""Batches to findings on the real tables, with the clock moved by hand."""

import pytest

from drift_monitor.count import close_windows
from drift_monitor.judge import judge_windows
from drift_monitor.ports import RegistryUnavailable
from drift_monitor.quality import Quality
from stats.bounds import Bounds

BASELINE = "sha256:" + "b" * 64


@pytest.fixture
def windows(kit, traffic, reference_bytes):
    kit.references.files[BASELINE] = reference_bytes

    class Windows:
        """Sends one batch a Window and tests the Window when it is over."""

        sent = 0

        def send(self, rows=200, **kind):
            self.sent += 1
            drawn = traffic(seed=1000 + self.sent, **kind)
            kit.count(drawn.document(rows, batch_id=f"batch-{self.sent}", start=1000 * self.sent))

        def end(self):
            kit.now += kit.rules.window_seconds
            close_windows(kit.store, kit.now, kit.rules.window_seconds)
            return judge_windows(kit.store, kit.now, kit.judging)

        def run(self, count, **kind):
            found = []
            for _ in range(count):
                self.send(**kind)
                found += self.end()
            return found

        def monitors(self, slice_name="all"):
            with kit.store.read() as transaction:
                return transaction.drift.monitors(BASELINE).get(slice_name, {})

        def filling(self):
            with kit.store.read() as transaction:
                return {w.slice: w.n for w in transaction.drift.windows(closed=False)}

    return Windows()


def test_the_traffic_a_version_was_accepted_on_raises_no_finding(windows):
    assert windows.run(6) == []
    assert {monitor.windows for monitor in windows.monitors().values()} == {6}


def test_another_topic_is_found_with_slice_signal_since_direction_and_size(windows, kit):
    windows.run(2)
    began = kit.now
    found = windows.run(3, shift=0.03)

    of_topic = [f for f in found if (f.slice, f.detector) == ("all", "embedding")]
    assert len(of_topic) == 1
    assert of_topic[0].since == pytest.approx(began, abs=60)
    assert of_topic[0].direction == "away"
    assert "times chance" in of_topic[0].text
    assert {f.detector for f in found} == {"embedding"}


def test_a_finding_is_a_ticket_until_quality_may_suffer(windows, kit):
    (ticket,) = [f for f in windows.run(3, shift=0.03) if f.slice == "all"]
    assert (ticket.severity, ticket.verdict) == ("ticket", "INCONCLUSIVE")
    assert "send labels" in ticket.because

    nobody_knows = Bounds(n=200, lower=0.8, point=0.9, upper=1.0)
    kit.quality = Quality("all", 0, 60, 0.85, 0.3, nobody_knows, None, degraded=False)
    windows.run(1, shift=0.03)
    with kit.store.read() as transaction:
        stored = {f.id: f for f in transaction.findings.of_model("sentiment")}
    assert stored[ticket.id].severity == "page"
    assert windows.monitors()["embedding"].pages


def test_requests_that_are_refused_are_a_page_whatever_the_texts_are(windows, kit, traffic):
    outcomes = ["rejected"] * 60 + ["ok"] * 140
    found = []
    for hour in range(3):
        kit.count(traffic().document(200, batch_id=f"hour-{hour}", outcome=outcomes))
        found += windows.end()

    (page,) = [f for f in found if f.slice == "arrivals"]
    assert (page.detector, page.severity) == ("rejected", "page")
    assert "share of rejected requests 30.0%" in page.text
    assert "broken" in page.because


def test_a_restart_keeps_sums_monitors_nulls_and_findings(windows, kit):
    found = next(f for f in windows.run(3, shift=0.03) if f.slice == "all")
    windows.send(rows=150, shift=0.03)
    asked, before = kit.references.asked, windows.monitors()
    kit.store.close()
    kit.restart()

    assert windows.monitors() == before
    assert windows.filling()["all"] == 150
    windows.send(rows=150, shift=0.03)
    assert [f for f in windows.end() if f.slice == "all"] == []
    assert windows.monitors()["embedding"].windows == 4
    assert kit.references.asked == asked + 1
    with kit.store.read() as transaction:
        (stored,) = [f for f in transaction.findings.of_model("sentiment") if f.slice == "all"]
    assert (stored.id, stored.found_at) == (found.id, found.found_at)
    assert stored.confirmed_at > found.confirmed_at


def test_of_a_busy_slice_a_random_share_is_judged_and_it_is_said(windows, kit):
    windows.send(rows=500)
    windows.end()
    first = windows.monitors()["label"].last
    kit.rules.pace.learn(BASELINE, "all", first, kit.rules.window_seconds)
    windows.run(3, rows=500, shift=0.03)

    last = windows.monitors()["label"].last
    assert (first.n, first.seen, last.seen) == (500, 500, 500)
    assert 150 < last.n < 250
    with kit.store.read() as transaction:
        found = next(f for f in transaction.findings.of_model("sentiment") if f.slice == "all")
    assert f"a random {last.n} of 500" in found.text


def test_a_window_with_few_rows_rolls_into_the_next(windows):
    windows.send(rows=150)
    assert windows.end() == []
    assert windows.monitors() == {}
    windows.send(rows=150)
    windows.end()
    assert windows.monitors()["label"].last.n == 300
    assert windows.monitors()["label"].last.end - windows.monitors()["label"].last.start == 120


def test_a_window_whose_test_was_interrupted_is_tested_later(windows, kit):
    windows.send()
    kit.now += 60
    close_windows(kit.store, kit.now, 60)
    judge_windows(kit.store, kit.now, kit.judging, keep_going=lambda: False)
    assert windows.monitors() == {}

    windows.end()
    assert windows.monitors()["label"].windows == 1


def test_a_batch_counts_once_however_often_it_comes(windows, kit, traffic):
    document = traffic().document(100)
    kit.count(document, document)
    kit.count(document)
    assert windows.filling()["all"] == 100


def test_a_version_without_a_reference_is_counted_but_not_compared(windows, kit, traffic):
    kit.references.failure = RegistryUnavailable("it is down")
    counted = kit.count(traffic().document(100))
    again = kit.count(traffic().document(100, batch_id="second"))

    assert (counted.unreferenced, again.unreferenced) == (100, 100)
    assert kit.references.asked == 1
    kit.references.failure, kit.now = None, kit.now + 60
    assert kit.count(traffic().document(100, batch_id="third")).unreferenced == 0
    assert windows.filling()["all"] == 100


def test_callers_slices_are_tested_and_limited(windows, kit, traffic):
    rows = [{"domain": "film"}] * 250 + [{"domain": f"d{i}"} for i in range(50)]
    counted = kit.count(traffic().document(300, slices=rows))
    windows.end()

    assert counted.slices_refused > 0
    assert windows.monitors("domain=film")["label"].windows == 1
    with kit.store.read() as transaction:
        assert len(transaction.drift.slices(BASELINE)) <= 30


def test_languages_that_the_reference_has_rows_of_are_slices(windows, kit, traffic):
    kit.references.files[BASELINE] = traffic(seed=1, german=0.4).reference(1000)
    windows.run(1, rows=500, german=0.4)
    english, german = (windows.monitors(f"language={name}") for name in ("en", "de"))
    assert 250 < english["length"].last.n < 350
    assert 150 < german["length"].last.n < 250
    found = windows.run(3, rows=500, german=0.9)
    assert {(f.slice, f.detector) for f in found} >= {("all", "language")}
    assert not [f for f in found if f.slice.startswith("language=")]


def test_measured_keys_are_no_slices_of_the_caller(windows):
    windows.send()
    assert set(windows.filling()) <= {"all", "short", "medium", "arrivals"}


def test_answers_that_were_not_given_are_not_sketched(windows, kit, traffic):
    counted = kit.count(traffic().document(3, outcome=["ok", "rejected", "error"]))
    assert windows.filling()["all"] == 1
    assert counted.events == {
        ("sentiment", "ok"): 1,
        ("sentiment", "rejected"): 1,
        ("sentiment", "error"): 1,
    }
