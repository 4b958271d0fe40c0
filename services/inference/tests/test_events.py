import itertools

import msgpack
import numpy as np
import pytest

from inference.events import BYTES_LIMIT, BatchWriter, Event

COLUMNS = {
    "request_id": str,
    "time": float,
    "outcome": str,
    "label": int,
    "scores": list,
    "latency_ms": float,
    "characters": int,
    "words": int,
    "tokens": int,
    "oov": float,
    "non_letter": float,
    "language": str,
    "truncated": bool,
    "fingerprint": str,
    "slices": dict,
}


@pytest.fixture
def writer():
    ids = (f"batch-{number}" for number in itertools.count(1))
    labels = ("negative", "positive")
    return BatchWriter("sentiment", "sha256:1", labels, b"key", lambda: next(ids))


@pytest.fixture
def predictor(fakes):
    return fakes.FakePredictor()


def scored(predictor, *texts, **slices):
    return Event("request", 1_000.5, "ok", 2.5, slices, texts, predictor.predict(texts).answers())


def only_batch(writer, event):
    ((batch, rows),) = writer.write(writer.rows(event))
    assert rows == event.rows
    return msgpack.unpackb(batch)


def test_a_batch_has_one_array_for_each_column_of_the_contract(writer, predictor):
    batch = only_batch(writer, scored(predictor, "a good film", "a bad film!", domain="films"))

    columns = batch.pop("columns")
    assert batch == {
        "schema": 1,
        "batch_id": "batch-1",
        "model": "sentiment",
        "version": "sha256:1",
        "labels": ["negative", "positive"],
        "rows": 2,
    }
    projection = np.frombuffer(columns.pop("projection"), "<f2").reshape(2, 64)
    assert (projection == 1).all()
    assert columns.keys() == COLUMNS.keys()
    for name, kind in COLUMNS.items():
        assert [type(value) for value in columns[name]] == [kind, kind], name
    assert columns["label"] == [1, 0]
    assert columns["scores"] == [[0.0, 1.0], [1.0, 0.0]]
    assert columns["words"] == [3, 3]
    assert columns["non_letter"] == [0.0, pytest.approx(1 / 9)]
    assert columns["slices"][0] == {"domain": "films", "length": "short", "language": "und"}


def test_no_text_is_in_a_batch(writer, predictor):
    ((batch, _),) = writer.write(writer.rows(scored(predictor, "Ada's secret")))

    assert b"secret" not in batch


def test_a_fingerprint_is_the_same_for_the_same_text_under_the_same_key_only(writer, predictor):
    event = scored(predictor, "one", "one", "two")
    other = BatchWriter("sentiment", "sha256:1", (), b"another key", lambda: "id")

    first, second, third = only_batch(writer, event)["columns"]["fingerprint"]

    assert first == second != third
    assert len(first) == 32
    assert only_batch(other, event)["columns"]["fingerprint"][0] != first


def test_a_caller_knows_the_language_better_than_a_guess(writer, predictor):
    batch = only_batch(writer, scored(predictor, "a good film", language="de"))

    assert batch["columns"]["language"] == ["de"]


def test_an_event_without_predictions_has_no_label_and_zeros(writer):
    batch = only_batch(writer, Event("request", 1.0, "overloaded", 0.1, {}))

    columns = batch["columns"]
    assert (columns["label"], columns["scores"], columns["fingerprint"]) == ([-1], [[]], [""])
    assert columns["projection"] == bytes(128)


def test_a_batch_that_would_be_too_large_is_split(writer, predictor):
    event = scored(predictor, *["good"] * 500, **{f"key-{n}": "x" * 64 for n in range(8)})

    batches = writer.write(writer.rows(event))

    assert len(batches) > 1
    assert sum(rows for _, rows in batches) == 500
    assert all(len(batch) <= BYTES_LIMIT for batch, _ in batches)
    assert len({msgpack.unpackb(batch)["batch_id"] for batch, _ in batches}) == len(batches)


def test_five_hundred_usual_rows_fit_one_batch(writer, predictor):
    event = scored(predictor, *["a good film"] * 500, domain="films")

    assert len(writer.write(writer.rows(event))) == 1


def test_what_waits_to_be_sent_holds_no_text(writer, predictor):
    rows = writer.rows(scored(predictor, "Ada's secret"))

    assert "secret" not in repr(rows)


def test_each_text_of_a_request_has_an_id_of_its_own(writer, predictor):
    several, one = (
        only_batch(writer, scored(predictor, *texts))["columns"]["request_id"]
        for texts in (("good", "bad"), ("good",))
    )

    assert (several, one) == (["request#0", "request#1"], ["request"])
