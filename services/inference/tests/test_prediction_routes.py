import math

import pytest

from inference.metrics import Metrics
from textmodels.artifacts import load_artifact

TEXT = "a great and fine story"


def infer_body(*texts, **more):
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
    return {"inputs": [tensor]} | more


V1, V2 = "/v1/models/sentiment:predict", "/v2/models/sentiment/infer"
V2_OTHER_VERSION = "/v2/models/sentiment/versions/sha256:0/infer"
EXPLAIN = "/v1/models/sentiment:explain"


def broken_tensor(**changes):
    tensor = infer_body("a film")["inputs"][0] | changes
    return {"inputs": [tensor]}


@pytest.fixture
def running(started):
    return started(body_limit_bytes=2_000, text_limit_characters=100, texts_limit=3)


@pytest.fixture
def predictions(artifact):
    _, predictor = load_artifact(artifact)
    return predictor.predict([TEXT, "a bad film"])


def test_predict_answers_with_the_label_and_the_score_of_every_label(running, predictions):
    answer = running.post("/predict", {"text": TEXT})

    negative, positive = predictions.scores[0].tolist()
    assert answer.status_code == 200
    assert answer.json() == {
        "prediction": "positive",
        "scores": {"negative": negative, "positive": positive},
    }


def test_kserve_v1_takes_texts_and_objects_with_a_text(running):
    answer = running.post(
        "/v1/models/sentiment:predict", {"instances": [TEXT, {"text": "a bad film"}]}
    )

    assert answer.json() == {"predictions": ["positive", "negative"]}


def test_open_inference_protocol_answers_with_two_tensors(running, predictions, digest):
    body = infer_body(TEXT, "a bad film", id="42", parameters={"priority": 1})
    answer = running.post("/v2/models/sentiment/infer", body)

    assert answer.json() == {
        "model_name": "sentiment",
        "model_version": digest,
        "id": "42",
        "outputs": [
            {
                "name": "label",
                "datatype": "BYTES",
                "shape": [2],
                "data": ["positive", "negative"],
            },
            {
                "name": "scores",
                "datatype": "FP32",
                "shape": [2, 2],
                "parameters": {"labels": '["negative", "positive"]'},
                "data": predictions.scores.ravel().tolist(),
            },
        ],
    }


def test_open_inference_protocol_gives_only_the_outputs_asked_for(running):
    body = infer_body(TEXT, outputs=[{"name": "label"}])
    answer = running.post("/v2/models/sentiment/infer", body).json()

    assert [output["name"] for output in answer["outputs"]] == ["label"]
    assert "id" not in answer


def test_several_inputs_are_one_batch_in_their_order(running):
    inputs = infer_body("a bad film")["inputs"] + infer_body(TEXT, "a good film")["inputs"]
    inputs[1]["name"] = "text-more"
    (label, scores) = running.post(V2, {"inputs": inputs}).json()["outputs"]

    assert label["data"] == ["negative", "positive", "positive"]
    assert (label["shape"], scores["shape"]) == ([3], [3, 2])


@pytest.mark.parametrize("data", [[TEXT, "a bad film"], [[TEXT], ["a bad film"]]])
def test_texts_may_come_in_a_column_flat_or_nested(running, data):
    answer = running.post(V2, broken_tensor(shape=[2, 1], data=data)).json()

    assert answer["outputs"][0]["data"] == ["positive", "negative"]


def test_a_version_may_be_named_in_the_path(running, digest):
    path = f"/v2/models/sentiment/versions/{digest}"

    assert running.post(f"{path}/infer", infer_body(TEXT)).json()["model_version"] == digest
    assert running.get(f"{path}/ready").json() == {"name": "sentiment", "ready": True}
    assert running.get(path).json()["versions"] == [digest]
    other = path.replace(digest, "sha256:0")
    assert [running.get(each).status_code for each in (other, f"{other}/ready")] == [404, 404]


BINARY = {
    "input": broken_tensor(data=[], parameters={"binary_data_size": 10}),
    "output": infer_body(TEXT, outputs=[{"name": "label", "parameters": {"binary_data": True}}]),
    "all outputs": infer_body(TEXT, parameters={"binary_data_output": True}),
}


@pytest.mark.parametrize("body", BINARY.values(), ids=BINARY)
def test_binary_tensors_are_refused_clearly(running, body):
    answer = running.post(V2, body)

    assert answer.status_code == 422
    assert "binary data extension is not offered" in answer.json()["error"]


def test_a_body_with_binary_data_is_refused_clearly(running):
    headers = {"inference-header-content-length": "10"}
    answer = running.post(V2, b'{"inputs": []}....a', headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (
        415,
        "urn:isogloss:problem:binary-extension",
    )
    assert "send tensors as JSON" in answer.json()["error"]


def test_json_is_asked_for_plainly(running):
    body = infer_body(TEXT, outputs=[{"name": "label", "parameters": {"binary_data": False}}])

    assert running.post(V2, body).status_code == 200


def test_a_compressed_body_is_refused_clearly(running):
    answer = running.post("/predict", b"...", headers={"content-encoding": "gzip"})

    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")


def test_an_explanation_adds_up_to_the_score(running):
    explained = running.post(EXPLAIN, {"instances": [TEXT, {"text": "a bad film"}]})
    predicted = running.post("/predict", {"text": TEXT}).json()

    first, second = explained.json()["explanations"]
    assert (first["label"], second["label"]) == ("positive", "negative")
    assert first["score"] == predicted["scores"]["positive"]
    added = sum(each["contribution"] for each in first["features"])
    assert first["decision"] == pytest.approx(first["intercept"] + added + first["rest"])
    assert 1 / (1 + math.exp(-first["decision"])) == pytest.approx(first["score"], abs=1e-6)
    assert "great" in [each["feature"] for each in first["features"]]


def test_an_explanation_is_counted_but_is_no_prediction(running):
    running.post(EXPLAIN, {"instances": [TEXT]})
    metrics = running.metrics()

    assert metrics['isogloss_inference_requests_total{outcome="ok",route="explain"}'] == "1.0"
    assert metrics["isogloss_inference_texts_total"] == "0.0"
    assert metrics["isogloss_inference_in_flight"] == "0.0"


def test_a_version_without_an_explanation_says_so(started, pipeline_artifact):
    running = started(artifact=str(pipeline_artifact))
    answer = running.post(EXPLAIN, {"instances": [TEXT]})

    assert (answer.status_code, answer.json()["type"]) == (
        404,
        "urn:isogloss:problem:no-explanation",
    )
    assert "of the family tfidf_linear" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status", "slug"),
    [
        ("/predict", b"{", 400, "not-json"),
        ("/predict", b"", 400, "not-json"),
        ("/predict", b"\xff\xfe", 400, "not-json"),
        ("/predict", b'{"text": "\\ud800"}', 400, "not-json"),
        ("/predict", b"[" * 1_500, 400, "not-json"),
        ("/predict", [], 422, "invalid-request"),
        ("/predict", {}, 422, "invalid-request"),
        ("/predict", {"text": None}, 422, "invalid-request"),
        ("/predict", {"text": 5}, 422, "invalid-request"),
        ("/predict", {"text": ["a"]}, 422, "invalid-request"),
        ("/predict", {"text": ""}, 422, "invalid-request"),
        ("/predict", {"text": " \n\t"}, 422, "invalid-request"),
        ("/predict", {"text": "x" * 101}, 422, "invalid-request"),
        ("/predict", {"text": "x" * 2_001}, 413, "body-too-large"),
        (V1, {"instances": []}, 422, "invalid-request"),
        (V1, {"instances": ["a film", 5]}, 422, "invalid-request"),
        (V1, {"instances": "a film"}, 422, "invalid-request"),
        (V1, {"instances": ["a film"] * 4}, 422, "invalid-request"),
        (V1, {"instances": ["a film", ""]}, 422, "invalid-request"),
        ("/v1/models/other:predict", {"instances": ["a film"]}, 404, "unknown-model"),
        (V2, {"inputs": []}, 422, "invalid-request"),
        (V2, broken_tensor(name="image"), 422, "invalid-request"),
        (V2, broken_tensor(datatype="FP32"), 422, "invalid-request"),
        (V2, broken_tensor(shape=[2]), 422, "invalid-request"),
        (V2, broken_tensor(shape=[-1]), 422, "invalid-request"),
        (V2, broken_tensor(shape=[True]), 422, "invalid-request"),
        (V2, broken_tensor(data=[1]), 422, "invalid-request"),
        (V2, broken_tensor(shape=[1, 2]), 422, "invalid-request"),
        (V2, broken_tensor(shape=[1, 1, 1]), 422, "invalid-request"),
        (V2, broken_tensor(data=[["a", "b"]]), 422, "invalid-request"),
        (V2, broken_tensor(data=None), 422, "invalid-request"),
        (V2, broken_tensor(parameters={"a": {}}), 422, "invalid-request"),
        (V2, {"inputs": infer_body("a film")["inputs"] * 2}, 422, "invalid-request"),
        (V2, infer_body("a film", parameters={"a": [1]}), 422, "invalid-request"),
        (V2, infer_body("a film", id=5), 422, "invalid-request"),
        (V2, infer_body("a film", outputs=[{"name": "mood"}]), 422, "invalid-request"),
        ("/v2/models/other/infer", infer_body("a film"), 404, "unknown-model"),
        (V2_OTHER_VERSION, infer_body("a film"), 404, "unknown-version"),
        (EXPLAIN, {"instances": []}, 422, "invalid-request"),
        (EXPLAIN, {"instances": ["a film"] * 4}, 422, "invalid-request"),
        (EXPLAIN, b"{", 400, "not-json"),
        ("/v1/models/other:explain", {"instances": ["a film"]}, 404, "unknown-model"),
        ("/v3/predict", {"text": "a film"}, 404, "not-found"),
    ],
)
def test_a_bad_request_gets_a_problem_and_never_a_500(running, path, body, status, slug):
    answer = running.post(path, body)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:isogloss:problem:{slug}"
    assert ("error" in problem) == path.startswith("/v2")


def test_a_refusal_does_not_repeat_the_text(running):
    answer = running.post("/v1/models/sentiment:predict", {"instances": [{"txt": "Ada's secret"}]})

    assert answer.status_code == 422
    assert "secret" not in answer.text


def test_a_get_where_a_post_is_needed_is_405(running):
    assert running.get("/predict").status_code == 405


@pytest.mark.parametrize("declared", [b"2001", b"9" * 30])
def test_a_body_declared_too_large_is_refused_unread(running, declared):
    async def receive():
        raise AssertionError("the body was read")

    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "query_string": b"",
        "headers": [(b"content-length", declared)],
    }
    running.run(running.inference.public(scope, receive, send))

    assert sent[0]["status"] == 413


def test_a_body_of_undeclared_length_is_read_up_to_the_limit_only(running):
    async def chunks():
        for _ in range(1_000):
            yield b"x" * 100

    assert running.ask("POST", "/predict", content=chunks()).status_code == 413


@pytest.mark.parametrize("path", ["/predict", "/nowhere"])
def test_every_answer_names_request_and_version(running, digest, path):
    headers = {"x-request-id": "from-the-gateway", "x-client-request-id": "from-the-caller"}
    answer = running.post(path, {"text": TEXT}, headers=headers)

    assert answer.headers["x-request-id"] == "from-the-gateway"
    assert answer.headers["x-client-request-id"] == "from-the-caller"
    assert answer.headers["x-model-version"] == digest


@pytest.mark.parametrize("given", [{}, {"x-request-id": "x" * 129}, {"x-request-id": "a b"}])
def test_a_request_id_is_minted_where_there_is_no_plain_one(running, given):
    first = running.post("/predict", {"text": TEXT}, headers=given).headers
    second = running.post("/predict", {"text": TEXT}, headers=given).headers

    assert len(first["x-request-id"]) == 32
    assert first["x-request-id"] != second["x-request-id"]
    assert "x-client-request-id" not in first


def test_the_pages_of_both_protocols_tell_what_is_served(running, digest):
    assert running.get("/v1/models").json() == {"models": ["sentiment"]}
    assert running.get("/v1/models/sentiment").json() == {"name": "sentiment", "ready": True}
    assert running.get("/").json() == {"status": "alive"}
    assert running.get("/v2").json()["name"] == "isogloss-inference"
    assert running.get("/v2/health/live").json() == {"live": True}
    assert running.get("/v2/health/ready").json() == {"ready": True}
    assert running.get("/v2/models/sentiment/ready").json()["ready"] is True
    metadata = running.get("/v2/models/sentiment").json()
    assert metadata["versions"] == [digest]
    assert metadata["platform"] == "isogloss_tfidf_linear"
    assert metadata["outputs"][1] == {"name": "scores", "datatype": "FP32", "shape": [-1, 2]}
    for path in ("/v1/models/other", "/v2/models/other", "/v2/models/other/ready"):
        assert running.get(path).status_code == 404


def test_every_series_is_there_from_the_start_and_counts_by_outcome(running):
    before = running.metrics()
    running.post("/predict", {"text": TEXT})
    running.post("/predict", {"text": ""})
    after = running.metrics()

    requests = 'isogloss_inference_requests_total{outcome="%s",route="%s"}'
    outcomes = ("ok", "rejected", "error", "overloaded")
    routes = ("predict", "v1", "v2", "explain")
    assert {before[requests % (o, r)] for o in outcomes for r in routes} == {"0.0"}
    assert after[requests % ("ok", "predict")] == "1.0"
    assert after[requests % ("rejected", "predict")] == "1.0"
    assert after["isogloss_inference_request_seconds_count"] == "1.0"
    assert after["isogloss_inference_tokens_total"] == "4.0"
    assert after["isogloss_inference_in_flight"] == "0.0"


def test_the_latency_objective_is_an_exact_bucket(started):
    running = started(slo_milliseconds=37)

    running.post("/predict", {"text": TEXT})

    assert 'isogloss_inference_request_seconds_bucket{le="0.037"}' in running.metrics()
    assert running.metrics()["isogloss_inference_objective_seconds"] == "0.037"


def test_requests_slower_than_the_objective_are_counted():
    metrics = Metrics(37)
    for seconds in (0.036, 0.037, 0.0371, 2.0, 60.0):
        metrics.request_seconds.observe(seconds)

    assert metrics.registry.get_sample_value("isogloss_inference_slow_requests_total") == 3
