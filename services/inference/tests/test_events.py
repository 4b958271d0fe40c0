import itertools

import msgpack
import numpy as np
import pytest

from inference.event_queues import QUEUES, EventQueues
from inference.events import Event, Subject
from textmodels.predictions import Answer

BYTES_LIMIT = 256_000
TEXTS = [
    "a good film",
    "a bad film!",
    "the plot and the actors were as good as ever",
    "nicht schlecht, und das ist nicht alles",
    "хороший фильм",
    "\u3053\u308c\u306f\u826f\u3044",
    "x" * 127,
    "x" * 128,
    "x" * 129,
    "word " * 400,
    "\x1f\x85 \x00",
]
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


class Scene:
    """A queue with what it tells, whose batches are called batch-1, batch-2, ..."""

    def __init__(self, kind, predictor, limit=10_000, key=b"key"):
        ids = (f"batch-{number}" for number in itertools.count(1))
        subject = Subject("sentiment", "sha256:1", ("negative", "positive"), key)
        self.notices, self.dropped = [], []
        queues = EventQueues(subject, limit, lambda: 2_000.25, lambda: next(ids), kind)
        self.queue = queues.open(self.notice, self.dropped.append)
        self.predictor = predictor

    def notice(self):
        self.notices.append((self.queue.rows, self.queue.full))

    def score(self, *texts, **slices):
        answers = self.predictor.predict(texts).answers()
        self.queue.add(Event("request", 1_000.5, "ok", 2.5, slices, texts, answers))

    def reject(self, count=1):
        for number in range(count):
            self.queue.add(Event(f"request-{number}", 1.0, "overloaded", 0.1, {}))

    def take_all(self):
        taken = []
        while (batch := self.queue.take()) is not None:
            taken.append(batch)
        return taken

    def only_columns(self):
        ((batch, _),) = self.take_all()
        return msgpack.unpackb(batch)["columns"]


@pytest.fixture(params=QUEUES, ids=lambda kind: kind.__module__)
def kind(request):
    return request.param


@pytest.fixture
def predictor(fakes):
    return fakes.FakePredictor()


@pytest.fixture
def scene(kind, predictor):
    return Scene(kind, predictor)


def test_the_extension_is_built_here():
    assert [kind.__module__ for kind in QUEUES] == ["inference._events", "inference.events_python"]


def test_a_batch_has_one_array_for_each_column_of_the_contract(scene):
    scene.score("a good film", "a bad film!", domain="films")

    ((packed, rows),) = scene.take_all()
    batch = msgpack.unpackb(packed)
    columns = batch.pop("columns")
    assert rows == 2
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


def test_no_text_is_in_a_batch(scene):
    scene.score("Ada's secret")

    ((batch, _),) = scene.take_all()

    assert b"secret" not in batch


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]], ids=["several", "one"])
def test_c_and_python_pack_the_same(predictor, texts):
    packed = []
    for kind in QUEUES:
        scene = Scene(kind, predictor)
        scene.score(*texts, domain="films", length="as the caller says")
        scene.score(*texts, language="de")
        scene.score(*texts)
        scene.reject()
        packed.append(scene.only_columns())

    assert packed[0] == packed[1]


def test_a_fingerprint_is_the_same_for_the_same_text_under_the_same_key_only(kind, predictor):
    scenes = [Scene(kind, predictor, key=key) for key in (b"key", b"another key")]
    for scene in scenes:
        scene.score("one", "one", "two")
    (first, second, third), others = (scene.only_columns()["fingerprint"] for scene in scenes)

    assert first == second != third
    assert len(first) == 32
    assert others[0] != first


def test_a_caller_knows_the_language_better_than_a_guess(scene):
    scene.score("a good film", language="de")

    assert scene.only_columns()["language"] == ["de"]


def test_an_event_without_predictions_has_no_label_and_zeros(scene):
    scene.reject()

    columns = scene.only_columns()
    assert (columns["label"], columns["scores"], columns["fingerprint"]) == ([-1], [[]], [""])
    assert columns["projection"] == bytes(128)


def test_an_answer_without_slices_happened_now(scene):
    answers = scene.predictor.predict(["good"]).answers()
    scene.queue.add_answers("request", 0.5, ["good"], answers)

    columns = scene.only_columns()
    assert (columns["time"], columns["latency_ms"]) == ([2_000.25], [500.0])
    assert (columns["outcome"], columns["request_id"]) == (["ok"], ["request"])


def test_a_batch_that_would_be_too_large_is_split(scene):
    scene.score(*["good"] * 500, **{f"key-{n}": "x" * 64 for n in range(8)})

    batches = scene.take_all()

    assert len(batches) > 1
    assert sum(rows for _, rows in batches) == 500
    assert all(len(batch) <= BYTES_LIMIT for batch, _ in batches)
    assert len({msgpack.unpackb(batch)["batch_id"] for batch, _ in batches}) == len(batches)


def test_five_hundred_usual_rows_fit_one_batch(scene):
    scene.score(*["a good film"] * 500, domain="films")

    assert len(scene.take_all()) == 1


def test_rows_are_taken_in_their_order(scene):
    scene.reject(1_100)

    taken = [msgpack.unpackb(batch)["columns"]["request_id"] for batch, _ in scene.take_all()]

    assert [len(ids) for ids in taken] == [500, 500, 100]
    assert list(itertools.chain(*taken)) == [f"request-{number}" for number in range(1_100)]
    assert scene.queue.rows == 0


def test_what_is_new_is_told_once_and_so_is_a_full_batch(scene):
    scene.reject(501)
    scene.take_all()
    scene.reject()

    assert scene.notices == [(1, False), (500, True), (1, False)]


def test_what_does_not_fit_is_told_and_dropped_whole(kind, predictor):
    scene = Scene(kind, predictor, limit=3)
    scene.reject(2)
    scene.score("good", "bad")
    scene.score("good")

    assert scene.dropped == [2]
    assert scene.only_columns()["request_id"] == ["request-0", "request-1", "request"]


@pytest.mark.parametrize(
    "broken",
    [
        {"answers": []},
        {"answers": [(1, [0.5], 1)]},
        {"answers": [Answer(1, [0.5], 1, 0.0, truncated=False, projection=b"")]},
        {"answers": [Answer(1, ["x"], 1, 0.0, truncated=False, projection=bytes(128))]},
        {"texts": ["\ud800"]},
        {"slices": {"domain": 5}},
        {"request_id": 5},
    ],
    ids=str,
)
def test_c_takes_nothing_of_what_is_no_event(predictor, broken):
    scene = Scene(QUEUES[0], predictor)
    fields = {"request_id": "request", "time": 1.0, "outcome": "ok", "latency_ms": 1.0}
    fields |= {"slices": {}, "texts": ["good"], "answers": predictor.predict(["good"]).answers()}

    with pytest.raises((TypeError, ValueError)):
        scene.queue.add(Event(**fields | broken))

    assert scene.queue.rows == 0
    scene.score("good")
    assert len(scene.only_columns()["time"]) == 1


def test_each_text_of_a_request_has_an_id_of_its_own(scene):
    scene.score("good", "bad")
    scene.score("good")

    assert scene.only_columns()["request_id"] == ["request#0", "request#1", "request"]
