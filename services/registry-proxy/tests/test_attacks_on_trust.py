"""The attack suite of Evidence and identity: nothing is accepted, nothing answered with a 5xx, and
what concerns the ledger is recorded. MLflow's routes are in `test_door.py`.
"""

import base64
import hmac
import json
import sys

import pytest

from servicekit.signing import generate_key

Issuer = sys.modules["registry_proxy_issuer"].Issuer
CELLS = {"right": 2800, "wrong_by_both": 100, "wins": 100}
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def version(world, make):
    """A registered version, and what would honestly bring it to STAGING."""
    world.digest = world.register()
    world.good = [make.without_baseline(make.cells(**CELLS))]
    world.latency = world.envelope("latency", world.digest, [make.latencies()])
    return world


def tampered(envelope, **changes):
    payload = json.loads(base64.b64decode(envelope["payload"]))
    content = json.dumps({**payload, **changes}).encode()
    return {**envelope, "payload": base64.b64encode(content).decode()}


def forgeries(world, folder):
    """Evidence that must not count, by how it was made."""
    other = world.register("r2")
    good = world.envelope("offline", world.digest, world.good)
    stranger = generate_key(folder / "stranger.pem")
    now = world.clock()

    def signed(**changes):
        return world.envelope("offline", world.digest, world.good, **changes)

    def about(**subjects):
        return signed(subjects=subjects)

    payload = base64.b64decode(good["payload"])
    key_id = good["signatures"][0]["keyid"]
    named = stranger.sign(good["payloadType"], payload)
    named["signatures"][0]["keyid"] = key_id
    return {
        "signed by a stranger": stranger.sign(good["payloadType"], payload),
        "signed by a stranger in the gate's name": named,
        "not signed": {**good, "signatures": []},
        "another's signature": {**good, "signatures": world.latency["signatures"]},
        "changed after signing": tampered(good, produced_at=now + 1),
        "of another payload type": {**good, "payloadType": "application/json"},
        "signed for another purpose": world.signers["gate"].sign("application/json", payload),
        "signed by the wrong role": signed(signer="drift-monitor"),
        "signed by the trainer's friend": signed(signer="rollout-controller"),
        "expired": signed(expires_at=now - 1),
        "older than the policy allows": signed(produced_at=now - 25 * 3600),
        "from the future": signed(produced_at=now + 3600),
        "replayed for another version": tampered(good, subjects=world.subjects(other)),
        "of another baseline": about(baseline=other),
        "of another dataset": about(dataset="sha256:" + "0" * 64),
        "of another prompt": about(prompt="sha256:" + "0" * 64),
        "under another policy": about(policy="sha256:" + "0" * 64),
        "in another image": about(image="sha256:" + "0" * 64),
        "of a version that is not there": about(model="sha256:" + "0" * 64),
        "about another model": world.signers["gate"].sign(
            good["payloadType"], payload.replace(b'"model":"sentiment"', b'"model":"another"')
        ),
    }


FORGERIES = (
    *("signed by a stranger", "signed by a stranger in the gate's name", "not signed"),
    *("another's signature", "changed after signing", "of another payload type"),
    *("signed for another purpose", "signed by the wrong role", "signed by the trainer's friend"),
    *("expired", "older than the policy allows", "from the future"),
    *("replayed for another version", "of another baseline", "of another dataset"),
    *("of another prompt", "under another policy", "in another image"),
    *("of a version that is not there", "about another model"),
)


def test_no_forged_expired_or_replayed_evidence_is_accepted_and_each_is_recorded(version, tmp_path):
    made = forgeries(version, tmp_path)
    assert set(made) == set(FORGERIES)
    version.post("/evidence", version.latency, "gate")
    for how, envelope in made.items():
        before = len(version.history("denied"))
        answer = version.post("/evidence", envelope, "gate")
        assert answer.status_code == 422, (how, answer.text)
        assert len(version.history("denied")) == before + 1, how

    answer = version.transition(version.digest)
    assert answer.status_code == 409
    assert answer.json()["verdict"]["outcome"] == "INCONCLUSIVE"
    assert version.stages() == ["REGISTERED", "REGISTERED"]


def test_evidence_of_one_version_opens_no_rollout_of_another(world):
    world.released()
    digest = world.staged("r2")
    elsewhere = world.staged("r3")
    world.start_rollout(digest)
    world.advance("SHADOWING")
    world.clock.now += 60

    answer = world.advance("CANARY", 0, world.shadow_evidence(elsewhere))

    assert answer.status_code == 422
    assert world.state["rollout"]["phase"] == "SHADOWING"


@pytest.fixture(scope="module")
def issuer():
    started = Issuer().start()
    yield started
    started.stop()


@pytest.fixture
def open_to_people(empty_world, issuer):
    """A registry that hears the callers of a file and the people of an issuer."""
    world = empty_world
    world.stop()
    roles = {"groups=leads": ("operator", "trainer")}
    changed = {"callers_issuer": issuer.url, "callers_issuer_roles": roles}
    world.settings = world.settings.model_copy(update=changed)
    return world.start()


def with_token(world, token, method="PUT"):
    headers = {"authorization": f"Bearer {token}"}
    return world.call(method, "/v1/models/sentiment/policy", None, headers=headers, content=b"x")


def part(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def hmac_signed(issuer, secret):
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(issuer.claims(groups=['leads']))}"
    digest = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


CONFUSIONS = {
    "no signature": lambda i: f"{part({'alg': 'none'})}.{part(i.claims(groups=['leads']))}.",
    "the public key as a secret": lambda i: hmac_signed(i, i.keys["rsa"].as_pem(private=False)),
    "an empty secret": lambda i: hmac_signed(i, b""),
    "made for the API server": lambda i: i.token(groups=["leads"], aud="https://kubernetes"),
    "made by another issuer": lambda i: i.token(groups=["leads"], iss="https://elsewhere"),
    "expired": lambda i: i.token(groups=["leads"], exp=1_000_000_000),
    "a logout token": lambda i: i.token(groups=["leads"], header={"typ": "logout+jwt"}),
    "a file's token in a claim": lambda i: i.token(sub="token of operator", groups=[]),
    "the hash of a file's token": lambda _i: "b" * 64,
    "two tokens": lambda i: f"{i.token(groups=['leads'])} token of operator",
    "nothing": lambda _i: "",
    "very long": lambda _i: "a." * 50_000,
    "not ASCII": lambda _i: "\u00fc.\u00fc.\u00fc",
}


@pytest.mark.parametrize("confuse", CONFUSIONS.values(), ids=CONFUSIONS)
def test_no_confused_token_is_accepted(open_to_people, issuer, confuse):
    token = confuse(issuer).encode("utf-8").decode("latin-1")
    headers = {"authorization": f"Bearer {token}".encode("latin-1")}
    path = "/v1/models/sentiment/policy"
    answer = open_to_people.call("PUT", path, None, headers=headers, content=b"x")

    assert answer.status_code in (401, 403)


def test_a_person_of_the_issuer_acts_under_a_name_that_no_file_has(open_to_people, issuer, make):
    token = issuer.token(groups=["leads"], sub="the operator")
    open_to_people.runs.add(make.a_run(), "model", make.an_artifact())
    headers = {"authorization": f"Bearer {token}"}
    body = {"run_id": "r1", "artifact_path": "model"}
    path = "/v1/models/sentiment/versions"

    assert open_to_people.call("POST", path, None, headers=headers, json=body).status_code == 201
    (entry,) = open_to_people.history("registered")
    assert entry["actor"] == "oidc:the operator"
    assert open_to_people.put_policy().status_code == 200  # and the file's callers still may


def routes_of(app):
    for route in app.routes:
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", ()
        )
        if inner:
            yield from inner
        elif hasattr(route, "methods"):
            yield route


def test_no_route_writes_without_a_token(lasting_world):
    """Every route of the process, whoever adds one: no list to be kept."""
    walked = set()
    for route in routes_of(lasting_world.app):
        path = route.path.replace("{m}", "sentiment")
        while "{" in path:
            path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
        for method in WRITES & set(route.methods):
            walked.add((method, route.path))
            for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basic YTpi"}):
                answer = lasting_world.call(method, path, None, headers=headers, json={})
                assert answer.status_code == 401, (method, route.path, answer.text)
    assert len(walked) > 30


def test_nothing_but_health_is_read_without_a_token(lasting_world):
    open_pages = {"/livez", "/readyz", "/metrics", "/health", "/version", "/openapi.json"}
    # MLflow's own two pages say that it lives, and its number.
    for route in routes_of(lasting_world.app):
        if "GET" in route.methods and route.path not in open_pages:
            path = route.path.replace("{m}", "sentiment").replace("{", "").replace("}", "")
            assert lasting_world.get(path, None).status_code == 401, route.path
