"""Which calls of MLflow's API pass, and that nothing passes in another spelling."""

import http.client
import json
from urllib.parse import quote, urlsplit

import pytest

from registry_proxy.door.allowed import instead_of, match
from registry_proxy.door.paths import PathRefused, canonical_path

RUN = "0123456789abcdef0123456789abcdef"
API = "/api/2.0/mlflow"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/api/2.0/mlflow/runs/get", "/api/2.0/mlflow/runs/get"),
        (b"//api///2.0/./mlflow/runs/get/", "/api/2.0/mlflow/runs/get"),
        (b"/%61pi/2.0/mlflow/runs%2fget", "/api/2.0/mlflow/runs/get"),
        (b"/a/with%20space/%C3%BC", "/a/with space/\u00fc"),
    ],
)
def test_a_path_has_one_spelling(raw, path):
    assert canonical_path(raw) == path


@pytest.mark.parametrize(
    "raw",
    [
        b"/a/../b",
        b"/a/%2e%2e/b",
        b"/a/%252e%252e/b",
        b"/a/..%2fb",
        b"/a/..%5cb",
        b"/a/%EF%BC%8E%EF%BC%8E/b",
        b"/a%00b",
        b"/a;b",
        b"/a%23b",
        b"/a%3Fb",
        b"/a%0d%0ab",
        b"/\xff",
        b"/%ff",
        b"/" + b"a" * 3000,
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_refused(raw):
    with pytest.raises(PathRefused):
        canonical_path(raw)


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_both_prefixes_have_the_same_routes(prefix):
    assert match("POST", f"{prefix}/2.0/mlflow/runs/create").writes
    assert not match("POST", f"{prefix}/2.0/mlflow/runs/search").writes
    assert match("PUT", f"{prefix}/2.0/mlflow-artifacts/artifacts/1/{RUN}/a/b").named["path"]
    assert match("POST", f"{prefix}/2.0/mlflow/model-versions/transition-stage") is None


# What a call that does not pass is answered with names another one that does.
REFUSED = {
    ("POST", "/api/2.0/mlflow/model-versions/transition-stage"): "isogloss models promote",
    ("POST", "/ajax-api/2.0/mlflow/model-versions/transition-stage"): "isogloss models promote",
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/1/x"): "PUT or GET",
    ("POST", "/api/2.0/mlflow-artifacts/mpu/complete/1/x"): "PUT or GET",
    ("GET", "/api/2.0/mlflow-artifacts/presigned/1/x"): "PUT or GET",
    ("POST", "/ajax-api/2.0/mlflow/upload-artifact"): "PUT 2.0/mlflow-artifacts",
    ("GET", "/get-artifact"): "/v1/artifacts/",
    ("GET", "/model-versions/get-artifact"): "/v1/artifacts/",
    ("POST", "/graphql"): "runs/search",
    ("POST", "/api/2.0/mlflow/experiments/delete"): "runs/delete",
    ("POST", "/api/2.0/mlflow/webhooks"): "history",
    ("POST", "/v1/traces"): "drift status",
    ("POST", "/api/3.0/mlflow/traces"): "drift status",
    ("POST", "/ajax-api/3.0/jobs"): "isogloss",
    ("POST", "/gateway/chat"): "isogloss",
    ("POST", "/api/3.0/mlflow/workspaces"): "README.md",
    ("POST", "/api/9.9/mlflow/runs/create"): "README.md",
    ("POST", "/api/2.0/MLFLOW/runs/create"): "README.md",
    ("POST", "/api/2.0/mlflow/runs/create/x"): "README.md",
    ("POST", "/api/2.0/mlflow/Runs/Create"): "README.md",
    ("PUT", "/api/2.0/mlflow/runs/create"): "README.md",
    ("DELETE", "/api/2.0/mlflow-artifacts/artifacts"): "README.md",
    ("HEAD", "/api/2.0/mlflow/runs/get"): None,
    ("OPTIONS", "/api/2.0/mlflow/runs/get"): "README.md",
}


@pytest.mark.parametrize(("call", "instead"), REFUSED.items(), ids=map(" ".join, REFUSED))
def test_a_call_that_does_not_pass_says_which_does(lasting_world, call, instead):
    answer = lasting_world.call(*call, "trainer")

    assert answer.status_code == 403
    if instead:
        problem = answer.json()
        assert problem["type"] == "urn:isogloss:problem:mlflow-call-refused"
        assert instead in problem["instead"]
        assert problem["error_code"] == "PERMISSION_DENIED"  # as MLflow's client reads it
        assert problem["instead"] in problem["message"]


def test_a_stranger_is_told_nothing_and_a_reader_cannot_write(lasting_world):
    for method, path in [*REFUSED, ("GET", f"{API}/runs/get"), ("POST", f"{API}/runs/create")]:
        assert lasting_world.call(method, path, None).status_code == 401
    assert lasting_world.call("POST", f"{API}/runs/create", "predictor", json={}).status_code == 403


SPELLINGS = [
    "/api/2.0/mlflow/%6dodel-versions/transition-stage",
    "/api//2.0/mlflow//model-versions//transition-stage",
    "/api/2.0/mlflow/./model-versions/transition-stage",
    "/api/2.0/mlflow/runs/../model-versions/transition-stage",
    "/api/2.0/mlflow/runs/%2e%2e/model-versions/transition-stage",
    "/api/2.0/mlflow/runs/%252e%252e/model-versions/transition-stage",
    "/api/2.0/mlflow/runs/..%2fmodel-versions/transition-stage",
    "/api/2.0/mlflow/runs/search;/../../model-versions/transition-stage",
    "/api/2.0/mlflow/runs/search%3f/../model-versions/transition-stage",
    "/api/2.0/mlflow/runs/search%23/model-versions/transition-stage",
    "/api/2.0/mlflow/model-versions/transition-stage/",
    "/api/2.0/mlflow/model-versions/transition%2Dstage",
    "/api/2.0/mlflow/MODEL-VERSIONS/transition-stage",
    "/ajax-api/2.0/mlflow/runs/search/..%5c..%5cmodel-versions/transition-stage",
    "/api/2.0/mlflow/model-versions/transition-stage%00",
    "/api/2.0/mlflow/runs/%EF%BC%8E%EF%BC%8E/model-versions/transition-stage",
]


@pytest.mark.parametrize("path", SPELLINGS)
def test_no_spelling_gets_by_the_list_of_routes(lasting_world, path):
    answer = lasting_world.call("POST", path, "trainer", json={"stage": "Production"})

    assert answer.status_code in (400, 403)


def test_no_spelling_gets_by_it_on_the_wire(launch, empty_world):
    """As bytes that no client put in order, to the real process."""
    service = launch().ready()
    headers = {"authorization": f"Bearer {empty_world.tokens['trainer']}"}
    answers = {}
    for path in SPELLINGS:
        wire = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=30)
        wire.request("POST", path, body=b"{}", headers=headers)
        answers[path] = wire.getresponse().status
        wire.close()

    assert set(answers.values()) <= {400, 403}, answers


BODIES = {
    "a list": b"[]",
    "text": b'"{}"',
    "not JSON": b"{",
    "deep": b'{"a":' * 100_000,
    "a member twice": b'{"run_id": "x", "run_id": "y"}',
    "a member in MLflow's other spelling": b'{"runId": "x"}',
    "a number that is none": b'{"value": NaN}',
    "not UTF-8": b"\xff\xfe{}",
    "tags that are no list": b'{"tags": {"key": "isogloss.author"}}',
    "tags of nothing": b'{"tags": [null]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_can_be_read_in_two_ways_is_refused(lasting_world, body):
    answer = lasting_world.call("POST", f"{API}/runs/create", "trainer", content=body)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("runs/create", {"tags": [{"key": "isogloss.author", "value": "somebody else"}]}),
        ("runs/set-tag", {"run_id": RUN, "key": " Isogloss.Author", "value": "x"}),
        ("runs/delete-tag", {"run_id": RUN, "key": "isogloss.author"}),
        ("runs/log-batch", {"run_id": RUN, "tags": [{"key": "isogloss.author", "value": "x"}]}),
        ("model-versions/set-tag", {"name": "m", "version": "1", "key": "isogloss.digest"}),
        ("model-versions/create", {"name": "m", "tags": [{"key": "isogloss.digest"}]}),
        ("experiments/create", {"name": "x", "artifact_location": "file:///etc"}),
        ("model-versions/create", {"name": "m", "source": "file:///etc/passwd"}),
        ("model-versions/create", {"name": "m", "source": "s3://elsewhere/model"}),
        ("model-versions/create", {"name": "m", "source": "mlflow-artifacts://host/x"}),
        ("model-versions/create", {"name": "m", "source": "mlflow-artifacts:/1/../../x"}),
        ("model-versions/create", {"name": "m", "source": f"runs:/{RUN}/%2e%2e/x"}),
        ("model-versions/create", {"name": "m", "source": "/etc"}),
        ("model-versions/create", {"name": "m", "source": None}),
        ("model-versions/create", {"name": "m"}),
        (
            "model-versions/create",
            {
                "name": "m",
                "source": "file:///etc",
                "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}],
            },
        ),
        ("registered-models/alias", {"name": ["sentiment"], "alias": "production"}),
    ],
    ids=lambda value: json.dumps(value)[:70],
)
def test_a_call_that_passes_still_cannot_reach_outside(lasting_world, route, body):
    answer = lasting_world.call("POST", f"{API}/{route}", "trainer", json=body)

    assert answer.status_code in (400, 403)
    assert answer.json()["instead"]


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [({"content-encoding": "gzip"}, "", 415), ({}, "?run_id=y", 400)],
    ids=["compressed", "a query, too"],
)
def test_what_cannot_be_judged_is_refused(lasting_world, headers, query, status):
    path = f"{API}/runs/create{query}"
    answer = lasting_world.call("POST", path, "trainer", headers=headers, json={})

    assert answer.status_code == status


@pytest.mark.parametrize("path", ["1", "1/models", "models", "1/traces/x", "x.txt", "1/m-12/a"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_no_run_owns_is_not_written(lasting_world, method, path):
    place = f"/api/2.0/mlflow-artifacts/artifacts/{path}"
    answer = lasting_world.call(method, place, "trainer")

    assert answer.status_code == 403


def test_a_body_that_is_too_large_is_refused(lasting_world):
    body = json.dumps({"name": "x" * 5_000_000})

    assert (
        lasting_world.call("POST", f"{API}/runs/create", "trainer", content=body).status_code == 413
    )


def test_mlflow_that_is_not_there_is_said(lasting_world):
    answer = lasting_world.call("GET", f"{API}/runs/get?run_id={RUN}", "predictor")

    assert answer.status_code == 502
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


def test_every_refusal_is_counted(lasting_world):
    lasting_world.call("POST", "/graphql", "trainer")

    page = lasting_world.get("/metrics", None).text
    assert 'isogloss_registry_door_refused_total{reason="permission_denied"}' in page


def test_what_would_be_said_is_never_the_callers_own_text():
    assert "<script>" not in instead_of(f"/api/{quote('<script>')}")
