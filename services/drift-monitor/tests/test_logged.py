"""KServe's logger: both halves of a request become an event, and its texts go nowhere."""

import json

import pytest

from drift_monitor.batches import read_batch
from drift_monitor.logged import REQUEST, RESPONSE, Join, LogRefused, read_half

TEXT = "A fine film, 10/10"


def headers(kind, event_id="e1", **more):
    named = {"ce-type": kind, "ce-id": event_id, "ce-inferenceservicename": "sentiment"}
    return named | {"ce-namespace": "default", "ce-endpoint": "blue"} | more


def half(kind, document, event_id="e1", now=10.0, **more):
    return read_half(headers(kind, event_id, **more), json.dumps(document).encode(), now)


FORMS = [
    ({"instances": [TEXT]}, {"predictions": ["positive"]}),
    ({"instances": [{"text": TEXT}]}, {"predictions": [{"label": "positive"}]}),
    ({"text": TEXT}, {"prediction": "positive"}),
    (
        {"inputs": [{"name": "text", "data": [TEXT]}]},
        {"outputs": [{"name": "scores", "data": [1]}, {"name": "label", "data": ["positive"]}]},
    ),
]


@pytest.mark.parametrize(("asked", "answered"), FORMS, ids=["V1", "V1 maps", "ours", "V2"])
@pytest.mark.parametrize("order", [1, -1], ids=["request first", "response first"])
def test_both_halves_become_one_row_whatever_the_dialect_and_the_order(asked, answered, order):
    join = Join()
    halves = [half(REQUEST, asked), half(RESPONSE, answered, now=10.5)]
    for each in halves[::order]:
        join.add(*each)
    (packed,) = join.take(11.0, "x")
    batch = read_batch(packed)
    assert (batch.model, batch.labels, batch.outcome) == ("sentiment", ("positive",), ["ok"])
    assert (batch.words[0], batch.non_letter[0]) == (4, pytest.approx(6 / 15))
    assert batch.latency_ms[0] == 500
    assert TEXT.encode() not in packed
    assert join.take(12.0, "y") == []


def test_several_texts_are_rows_of_one_request_and_headers_name_slices():
    join = Join()
    passed_on = json.dumps({"X-Request-Id": ["r7"], "X-Slice-Domain": ["film"]})
    metadata = {"ce-metadata": passed_on}
    join.add(*half(REQUEST, {"instances": ["a", "b"]}, **metadata))
    join.add(*half(RESPONSE, {"predictions": [0, 1]}, **metadata))
    batch = read_batch(join.take(11.0, "x")[0])
    assert batch.request_id == ["r7#0", "r7#1"]
    assert batch.slices == [{"domain": "film"}] * 2
    assert batch.labels == ("0", "1")


def test_a_repeated_half_changes_nothing_and_one_that_stays_alone_is_counted():
    join = Join()
    join.add(*half(REQUEST, {"text": TEXT}))
    join.add(*half(REQUEST, {"text": TEXT}))
    assert join.take(30.0, "x") == []
    assert join.dropped == 0
    (packed,) = join.take(100.0, "x")
    assert read_batch(packed).outcome == ["error"]
    assert join.dropped == 1
    assert not join.halves


def test_an_answer_without_its_request_is_a_failed_request_beside_others():
    join = Join()
    join.add("e1", half(RESPONSE, {"prediction": "positive"})[1])
    join.add("e2", half(REQUEST, {"text": TEXT}, now=70.0)[1])
    join.add("e2", half(RESPONSE, {"prediction": "negative"}, now=70.5)[1])
    batch = read_batch(join.take(100.0, "x")[0])
    assert (batch.outcome, batch.label.tolist()) == (["ok", "error"], [0, -1])
    assert batch.labels == ("negative",)


def test_answers_to_another_number_of_texts_are_a_failed_request():
    join = Join()
    join.add(*half(REQUEST, {"instances": ["a", "b"]}))
    join.add(*half(RESPONSE, {"predictions": ["positive"]}))
    assert read_batch(join.take(11.0, "x")[0]).outcome == ["error"]
    assert join.dropped == 1


def test_halves_that_never_meet_are_bounded():
    join = Join()
    for number in range(10_050):
        join.add(f"e{number}", half(REQUEST, {"text": "a"})[1])
    assert len(join.halves) == 10_000
    assert join.dropped == 50


@pytest.mark.parametrize(
    ("named", "body"),
    [
        ({"ce-type": "other", "ce-id": "1", "ce-inferenceservicename": "s"}, b"{}"),
        (headers(REQUEST), b"no"),
        (headers(REQUEST), b"[]"),
        (headers(REQUEST), b'{"instances": [1]}'),
        (headers(REQUEST), b'{"inputs": 3}'),
        (headers(RESPONSE), b'{"predictions": [[1.0]]}'),
    ],
    ids=["type", "no JSON", "no object", "no text", "no tensors", "no label"],
)
def test_what_cannot_be_used_is_refused(named, body):
    with pytest.raises(LogRefused):
        read_half(named, body, 1.0)


def test_the_loggers_events_are_counted_by_the_running_service(running, settings, tmp_path, until):
    (tmp_path / "logger-key").write_text("k1")
    (tmp_path / "logger-key").chmod(0o600)
    with_logger = settings.model_copy(update={"logger_key_file": tmp_path / "logger-key"})

    async def steps(monitor):
        for kind, document in ((REQUEST, {"text": TEXT}), (RESPONSE, {"prediction": "positive"})):
            answer = await monitor.ask(
                "POST", "/v1/logger/k1", None, content=json.dumps(document), more=headers(kind)
            )
            assert answer.is_success, answer.text
        wrong = await monitor.ask("POST", "/v1/logger/k2", None, content=b"{}")
        assert wrong.status_code == 404
        broken = await monitor.ask("POST", "/v1/logger/k1", None, content=b"{}")
        assert broken.status_code == 422

        async def counted():
            return await monitor.sample("isogloss_drift_monitor_events_total") == 1

        await until(counted)

    running(steps, with_logger)
