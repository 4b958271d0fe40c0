"""What inference writes, the drift-monitor reads."""

import numpy as np
import pytest

from drift_monitor.batches import read_batch
from inference.event_queues import QUEUES, EventQueues
from inference.events import Event, Subject
from textmodels.predictions import Predictions

TEXTS = ("a good film", "bad film")
PREDICTIONS = Predictions(
    label_indices=np.array([1, 0]),
    scores=np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
    tokens=np.array([3, 2], np.int32),
    out_of_vocabulary=np.array([0.0, 0.5], np.float32),
    truncated=np.array([False, True]),
    projection=np.full((2, 64), 0.5, np.float16),
)


@pytest.fixture(params=QUEUES, ids=lambda kind: kind.__module__)
def batch(request):
    subject = Subject("sentiment", "sha256:" + "a" * 64, ("negative", "positive"), b"key")
    queues = EventQueues(subject, 10, lambda: 0.0, lambda: "an-id", request.param)
    queue = queues.open(lambda: None, lambda _rows: None)
    queue.add(Event("one", 10.0, "ok", 1.5, {"domain": "films"}, TEXTS, PREDICTIONS.answers()))
    queue.add(Event("two", 11.0, "overloaded", 0.5, {}))
    packed, _ = queue.take()
    return read_batch(packed)


def test_every_row_arrives_with_its_answer_and_measures(batch):
    assert (batch.batch_id, batch.model, batch.rows) == ("an-id", "sentiment", 3)
    assert batch.request_id == ["one#0", "one#1", "two"]
    assert batch.label.tolist() == [1, 0, -1]
    assert batch.confidence.tolist() == [0.75, 0.5, 0.0]
    assert batch.words.tolist() == [3, 2, 0]
    assert batch.projection[0].tolist() == [0.5] * 64
    assert batch.answered.tolist() == [True, True, False]


def test_slices_are_the_callers_and_the_measured_ones(batch):
    assert batch.slices[0] == {"domain": "films", "length": "short", "language": "und"}


def test_an_event_without_text_has_no_fingerprint(batch):
    first, second, third = batch.fingerprint
    assert first != second
    assert third == ""
