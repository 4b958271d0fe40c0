"""Traffic that was accepted: what is kept of it, the file, and Windows beside it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from drift_monitor.accepted import FEWEST_ROWS, AcceptedReferences, read_accepted
from drift_monitor.batches import read_batch
from drift_monitor.count import close_windows
from drift_monitor.judge import judge_windows
from drift_monitor.ports import ReferenceRefused
from drift_monitor.references import rows_of
from drift_monitor.traffic_ports import AcceptedFile
from drift_monitor.traffic_samples import (
    DAY_SECONDS,
    KEPT_A_DAY,
    About,
    Keeping,
    TrafficDay,
    TrafficRow,
    evenly,
    write_file,
)

BASELINE = "sha256:" + "b" * 64
ABOUT = About(BASELINE, ("negative", "positive"), ("de", "en"), 0.0, 600.0, 10_000)
PLACE = f"/v1/models/sentiment/versions/{BASELINE}"


def a_day(day, seen, kept):
    rows = [TrafficRow(priority, 7, "en", b"") for priority in range(kept)]
    return TrafficDay(day * DAY_SECONDS, seen, rows)


@pytest.fixture(scope="session")
def accepted_bytes(traffic, packed):
    """A file of 6,000 rows of traffic with longer texts than the Reference has."""
    drawn, kept = traffic(seed=2, words=180.0), []
    for number in range(12):
        keeping = Keeping(0.0, float("inf"))
        rows = rows_of(read_batch(packed(drawn.document(500))))
        keeping.add(rows, np.arange(500) + 500 * number, 600.0 * number)
        kept += keeping.rows
    return write_file(kept, ABOUT)


@pytest.fixture
def own(kit, reference_bytes):
    kit.references.files[BASELINE] = reference_bytes
    return kit.shelf.find(BASELINE, ABOUT.labels)


@pytest.fixture
def beside(kit, traffic, reference_bytes, accepted_bytes):
    """A monitor whose version has a Reference and accepted traffic, and a way to send Windows."""
    kit.references.files[BASELINE] = reference_bytes
    kit.judging = replace(kit.judging, accepted=AcceptedReferences(kit.store))
    with kit.begin() as transaction:
        transaction.accepted.put(AcceptedFile(BASELINE, "sha256:one", 0.0, accepted_bytes))

    def send(windows, **kind):
        found = []
        for number in range(windows):
            drawn = traffic(seed=int(kit.now) + number, **kind)
            kit.count(drawn.document(200, batch_id=f"{kit.now}", start=int(kit.now) * 1000))
            kit.now += kit.rules.window_seconds
            close_windows(kit.store, kit.now, kit.rules.window_seconds)
            found += judge_windows(kit.store, kit.now, kit.judging)
        return [finding for finding in found if finding.slice == "all"]

    return send


def test_days_count_as_much_as_they_have_texts():
    days = [a_day(0, 50_000, 1000), a_day(1, 10_000, 1000), a_day(2, 300, 300)]
    assert len(evenly(days)) == 1000 + 200 + 6
    assert len(evenly(days, most=603)) == 500 + 100 + 3
    assert len(evenly([a_day(0, 300, 300)])) == 300
    assert evenly([]) == []


def test_a_row_in_the_file_is_what_arrived(traffic, packed):
    batch = read_batch(packed(traffic(seed=3).document(40)))
    keeping = Keeping(0.0, highest=29.0)
    keeping.add(rows_of(batch), np.arange(40), received_at=1250.0)
    columns = load(write_file(keeping.rows, ABOUT))

    assert (keeping.seen, len(keeping.rows)) == (40, 30)
    assert np.array_equal(columns["words"], batch.words[:30])
    assert np.array_equal(columns["scores"], batch.scores[:30])
    assert np.array_equal(columns["projection"], batch.projection[:30].astype(np.float16))
    assert set(columns["block"].tolist()) == {2}
    assert write_file(keeping.rows[::-1], ABOUT) == write_file(keeping.rows, ABOUT)


def test_rows_of_a_block_are_resampled_together(own, accepted_bytes):
    accepted = read_accepted(AcceptedFile(BASELINE, "sha256:one", 0.0, accepted_bytes), own)

    blocks = accepted.material("all").blocks
    assert len(set(accepted.blocks.tolist())) == 12
    assert np.unique(blocks, return_counts=True)[1].tolist() == [20] * 300
    assert accepted.sample("all").n == 6000
    assert accepted.sample("domain=film").n == 6000


def test_a_slice_that_the_reference_knows_better_is_not_compared(kit, traffic, accepted_bytes):
    kit.references.files[BASELINE] = traffic(seed=4, words=100.0).reference(10_000)
    own = kit.shelf.find(BASELINE, ABOUT.labels)
    accepted = read_accepted(AcceptedFile(BASELINE, "sha256:one", 0.0, accepted_bytes), own)
    assert accepted.sample("short") is None
    assert accepted.sample("all") is None
    assert accepted.sample("medium").n > own.sample("medium").n


def test_what_differs_from_the_reference_alone_is_a_ticket(beside):
    found = beside(6, words=180.0)
    assert {(f.detector, f.severity) for f in found} == {("length", "ticket")}
    assert "validation set" in found[0].because


def test_what_differs_from_accepted_traffic_is_drift(beside):
    beside(3, words=180.0)
    found = {f.detector: f for f in beside(6, words=60.0)}
    assert "accepted:length" in found
    assert "length on slice all is down against accepted traffic" in found["accepted:length"].text


def test_all_signals_together_share_the_budget(kit):
    alone, beside = kit.judging.rate(10), kit.judging.rate(10, accepted=True)
    assert beside == pytest.approx(alone * 11 / 21)


def test_another_file_begins_anew(beside, kit, accepted_bytes):
    beside(2, words=180.0)
    with kit.begin() as transaction:
        transaction.accepted.put(AcceptedFile(BASELINE, "sha256:two", 1.0, accepted_bytes))
    with kit.store.read() as transaction:
        monitors = transaction.drift.monitors(BASELINE)["all"]
    assert not [name for name in monitors if name.startswith("accepted:")]
    assert monitors["length"].windows == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "sha256:" + "c" * 64}, "the file is of"),
        ({"labels": ["negative"]}, "the file is of"),
        ({"languages": ["en"]}, "does not name"),
        ({"start": float("inf")}, "does not say"),
        ({"texts": float("inf")}, "does not say"),
    ],
)
def test_a_file_of_something_else_is_refused(own, accepted_bytes, change, said):
    about = json.loads(ABOUT.to_json()) | change
    length = int.from_bytes(accepted_bytes[:8], "little")
    header = json.loads(accepted_bytes[8 : 8 + length])
    header["__metadata__"]["about"] = json.dumps(about)
    raw = json.dumps(header).encode()
    content = len(raw).to_bytes(8, "little") + raw + accepted_bytes[8 + length :]
    with pytest.raises(ReferenceRefused, match=said):
        read_accepted(AcceptedFile(BASELINE, "sha256:one", 0.0, content), own)


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("projection", np.zeros((6000, 63), dtype=np.float16), "63 wide"),
        ("words", np.full(6000, -1, dtype=np.int32), "words has a wrong shape or value"),
        ("block", np.zeros(5999, dtype=np.int64), "block has a wrong shape or value"),
        ("label_indices", np.full(6000, 2), "not one of a version with 2 labels"),
    ],
)
def test_a_column_that_cannot_be_compared_is_refused(own, accepted_bytes, name, column, said):
    content = save(load(accepted_bytes) | {name: column}, metadata={"about": ABOUT.to_json()})
    with pytest.raises(ReferenceRefused, match=said):
        read_accepted(AcceptedFile(BASELINE, "sha256:one", 0.0, content), own)


def test_traffic_is_drawn_accepted_and_shown(running, traffic, packed, reference_bytes):
    drawn = traffic(seed=5, words=180.0)

    async def steps(monitor):
        monitor.world.references.files[BASELINE] = reference_bytes
        for number in range(12):
            monitor.world.now = 1000.0 + DAY_SECONDS * number
            body = packed(drawn.document(500, batch_id=f"b{number}", start=500 * number))
            assert (await monitor.send(body)).status_code == 200
            await monitor.counted()
        few = await monitor.ask("GET", f"{PLACE}/sample?days=3", role="trainer")
        assert (few.status_code, few.json()["type"].rpartition(":")[2]) == (409, "too-few-rows")
        sample = await monitor.ask("GET", f"{PLACE}/sample?days=14", role="trainer")
        again = await monitor.ask("GET", f"{PLACE}/sample?days=14", role="trainer")
        assert sample.content == again.content
        none = await monitor.ask("GET", f"{PLACE}/accepted")
        put = await monitor.ask("PUT", f"{PLACE}/accepted", role="trainer", content=sample.content)
        shown = await monitor.ask("GET", f"{PLACE}/accepted")
        assert (none.status_code, put.status_code) == (404, 200)
        assert shown.json() == put.json()
        assert (shown.json()["rows"], shown.json()["texts"]) == (6000, 6000)
        wrong = await monitor.ask("PUT", f"{PLACE}/accepted", role="trainer", content=b"no")
        assert wrong.status_code == 422
        stranger = await monitor.ask("PUT", f"{PLACE}/accepted", content=sample.content)
        assert stranger.status_code == 403

    running(steps)


def test_what_is_kept_of_a_day_is_all_below_one_priority(kit, traffic, packed):
    rows = rows_of(read_batch(packed(traffic(seed=6).document(500))))
    rng = np.random.default_rng(6)
    priorities = rng.permutation(8000)
    for chunk in np.split(priorities, [3000, 3500, 7500]):
        with kit.begin() as transaction:
            keeping = Keeping(0.0, transaction.traffic.highest(BASELINE, 0.0))
            for some in np.array_split(chunk, -(-len(chunk) // 500)):
                keeping.add(rows.take(np.arange(len(some))), some, 1250.0)
            assert len(keeping.rows) <= 2 * KEPT_A_DAY
            transaction.traffic.keep(BASELINE, keeping.kept())
    with kit.store.read() as transaction:
        (day,) = transaction.traffic.between(BASELINE, 0.0, DAY_SECONDS)
        highest = transaction.traffic.highest(BASELINE, 0.0)
    assert day.seen == 8000
    assert [row.priority for row in day.rows] == list(range(int(highest) + 1))
    assert len(day.rows) >= KEPT_A_DAY


def test_of_a_day_so_many_rows_are_kept_however_many_come(kit, traffic, reference_bytes):
    kit.references.files[BASELINE] = reference_bytes
    for number in range(6):
        document = traffic(seed=number).document(500, f"b{number}", start=500 * number)
        kit.count(document)
    with kit.store.read() as transaction:
        (day,) = transaction.traffic.between(BASELINE, 0.0, DAY_SECONDS)
    assert day.seen == 3000
    assert KEPT_A_DAY <= len(day.rows) <= 2 * KEPT_A_DAY
    assert FEWEST_ROWS <= 7 * KEPT_A_DAY
