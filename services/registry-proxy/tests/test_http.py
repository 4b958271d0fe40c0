import sqlite3

import pytest

WRITES = [
    ("PUT", "/v1/models/sentiment/policy", {"operator"}),
    ("POST", "/v1/models/sentiment/versions", {"trainer"}),
    ("POST", "/v1/models/sentiment/evidence", {"gate", "drift-monitor", "rollout-controller"}),
    ("POST", "/v1/models/sentiment/waivers", {"operator"}),
    ("POST", "/v1/models/sentiment/transitions", {"operator"}),
    ("POST", "/v1/models/sentiment/approvals", {"operator"}),
    ("POST", "/v1/models/sentiment/rollouts", {"rollout-controller"}),
    ("POST", "/v1/models/sentiment/rollouts/r1/advance", {"rollout-controller"}),
    ("POST", "/v1/models/sentiment/rollouts/r1/pause", {"rollout-controller"}),
    ("POST", "/v1/models/sentiment/rollouts/r1/resume", {"rollout-controller"}),
    ("POST", "/v1/models/sentiment/rollouts/r1/end", {"rollout-controller"}),
]
READS = [
    "/v1/models",
    "/v1/models/sentiment",
    "/v1/models/sentiment/policy",
    "/v1/models/sentiment/history",
    "/v1/models/sentiment/versions/1",
    "/v1/models/sentiment/versions/1/why",
    "/v1/evidence/x",
    "/v1/artifacts/x/manifest",
    "/v1/artifacts/x/files/y",
    "/v1/ledger",
    "/v1/ledger/verify",
]


@pytest.mark.parametrize(("method", "path", "roles"), WRITES)
def test_only_the_named_roles_may_write(lasting_world, method, path, roles):
    for role in lasting_world.tokens:
        answer = lasting_world.call(method, path, role, json={})
        assert (answer.status_code == 403) == (role not in roles), (role, answer.text)
    assert lasting_world.call(method, path, None, json={}).status_code == 401


@pytest.mark.parametrize("path", READS)
def test_reading_needs_any_known_caller(lasting_world, path):
    assert lasting_world.get(path, None).status_code == 401
    assert lasting_world.get(path).status_code in (200, 404)


@pytest.mark.parametrize(("method", "path", "roles"), WRITES[1:])
@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"7", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b""],
    ids=["broken", "list", "number", "null", "text", "bytes", "deep", "deep object", "empty"],
)
def test_bodies_that_are_no_object_are_refused(lasting_world, method, path, roles, body):
    headers = {"content-type": "application/json"}
    answer = lasting_world.call(method, path, min(roles), content=body, headers=headers)

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


BODIES = {
    "unknown member": {"digest": "sha256:" + "0" * 64, "to": "STAGING", "expected_seq": 1, "x": 1},
    "number as text": {"digest": "sha256:" + "0" * 64, "to": "STAGING", "expected_seq": "1"},
    "flag as number": {"digest": "sha256:" + "0" * 64, "to": "STAGING", "expected_seq": True},
    "no stage": {"digest": "sha256:" + "0" * 64, "to": "LIVE", "expected_seq": 1},
    "no digest": {"digest": "latest", "to": "STAGING", "expected_seq": 1},
    "nothing": {},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_wrong_member_is_named(lasting_world, body):
    answer = lasting_world.post("/transitions", body)

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:isogloss:problem:invalid-request"


@pytest.mark.parametrize(
    "facts", ['{"x": NaN}', '{"x": Infinity}', r'{"x": "\ud800"}', r'{"\udfff": 1}']
)
def test_values_that_cannot_be_hashed_are_refused(world, facts):
    world.released()
    identity = world.state["rollout"]["id"]
    body = f'{{"phase": "ROLLED_BACK", "reason": "x", "facts": {facts}}}'
    answer = world.call(
        "POST",
        f"/v1/models/sentiment/rollouts/{identity}/end",
        "rollout-controller",
        content=body,
        headers={"content-type": "application/json"},
    )

    assert answer.status_code == 422


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"gates: [",
        b"[" * 5000,
        b"\xff\xfe\x00",
        b"kind: [GatePolicy]",
        b"kind: !!python/object/apply:os.system [ls]",
        b"a: &a [*a]",
        b"kind: GatePolicy\nname: 0x" + b"f" * 6000,
        b"kind: 2001-99-99",
        b"? [a, b]\n: c",
        b"- kind: GatePolicy",
    ],
)
def test_a_policy_that_is_none_is_refused(empty_world, content):
    answer = empty_world.call("PUT", "/v1/models/sentiment/policy", content=content)

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:isogloss:problem:policy-refused"
    assert empty_world.get("/v1/models").json() == {"models": []}


def test_a_body_over_the_limit_is_refused(empty_world):
    empty_world.settings = empty_world.settings.model_copy(update={"body_limit_bytes": 1024})
    world = empty_world.restart()

    async def chunks():
        for _ in range(3):
            yield b"x" * 500

    declared = world.call("PUT", "/v1/models/sentiment/policy", content=b"x" * 1500)
    streamed = world.call("PUT", "/v1/models/sentiment/policy", content=chunks())

    assert declared.status_code == streamed.status_code == 413


@pytest.mark.parametrize("name", ["Sentiment", "1st", "a" * 64, "a_b", "a%2fb"])
def test_a_name_that_no_model_can_have_is_refused(lasting_world, name):
    assert lasting_world.get(f"/v1/models/{name}").status_code in (404, 422)


@pytest.mark.parametrize(
    "path",
    ["", "/policy", "/history", "/versions/1", "/versions/1/why"],
)
def test_an_unknown_model_is_not_found(lasting_world, path):
    answer = lasting_world.get(f"/v1/models/spam{path}")

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:isogloss:problem:unknown"


@pytest.mark.parametrize("reference", ["2", "0", "-1", "latest", "sha256:" + "0" * 64])
def test_an_unknown_version_is_not_found(lasting_world, reference):
    assert lasting_world.get(f"/v1/models/sentiment/versions/{reference}").status_code == 404


def test_a_version_is_found_by_number_and_by_digest(lasting_world):
    digest = lasting_world.state["versions"][0]["digest"]

    assert lasting_world.version(1) == lasting_world.version(digest)


def test_the_policy_is_served_as_it_was_put(lasting_world):
    answer = lasting_world.get("/v1/models/sentiment/policy")

    assert answer.headers["etag"] == f'"{lasting_world.state["policy"]}"'
    again = {"if-none-match": answer.headers["etag"]}
    assert lasting_world.get("/v1/models/sentiment/policy", headers=again).status_code == 304


def test_a_policy_is_not_served_as_evidence(lasting_world):
    assert lasting_world.get(f"/v1/evidence/{lasting_world.state['policy']}").status_code == 404


def test_models_are_listed_with_their_state(lasting_world):
    assert lasting_world.get("/v1/models").json() == {"models": [lasting_world.state]}


def test_metrics_are_counted_from_the_ledger(world):
    world.transition(world.register())

    text = world.get("/metrics", None).text

    assert 'isogloss_registry_entries_total{kind="registered"} 1.0' in text
    assert (
        'isogloss_registry_transitions_total{model="sentiment",outcome="INCONCLUSIVE"} 1.0' in text
    )
    assert (
        'isogloss_registry_gate_verdicts_total{gate="quality",model="sentiment",'
        'outcome="INCONCLUSIVE"} 1.0'
    ) in text
    assert 'route="/v1/models/{m}/transitions",status="409"} 1.0' in text


def test_health_is_public(lasting_world):
    assert lasting_world.get("/livez", None).status_code == 200
    assert lasting_world.get("/readyz", None).status_code == 200


def test_a_broken_chain_is_found_at_the_start_and_makes_it_unready(world):
    world.register()
    world.stop()
    connection = sqlite3.connect(world.folder / "registry" / "ledger.db")
    connection.execute("DROP TRIGGER entries_no_UPDATE")
    connection.execute("UPDATE entries SET actor = 'somebody else' WHERE seq = 1")
    connection.commit()
    connection.close()
    assert "isogloss_registry_ledger_broken 0.0" in world.get("/metrics", None).text
    world.start()

    assert world.get("/readyz", None).status_code == 503
    assert "isogloss_registry_ledger_broken 1.0" in world.get("/metrics", None).text
    assert "entry 1 does not follow" in world.get("/v1/ledger/verify").json()["problem"]
