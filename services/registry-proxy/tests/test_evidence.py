import base64
import json

import pytest

from servicekit.signing import generate_key


@pytest.fixture
def good(make):
    return [make.without_baseline(make.cells(right=2800, wrong_by_both=200))]


def refused(world, answer, reason):
    """The answer says why, and so does the ledger."""
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "urn:isogloss:problem:evidence-refused"
    assert reason in answer.json()["detail"]
    assert world.history("denied")[-1]["body"]["reason"] == answer.json()["detail"]
    return True


def test_evidence_is_kept_as_it_was_signed(world, good):
    digest = world.register()
    envelope = world.envelope("offline", digest, good)

    answer = world.post("/evidence", envelope, "gate")

    assert answer.status_code == 201
    assert world.get(f"/v1/evidence/{answer.json()['evidence']}").json() == envelope
    assert world.version(1)["evidence"] == {"offline": [answer.json()["evidence"]]}


def test_a_replay_changes_nothing(world, good):
    envelope = world.envelope("offline", world.register(), good)
    first = world.post("/evidence", envelope, "gate")
    world.clock.now += 10 * 86400

    again = world.post("/evidence", envelope, "gate")

    assert again.status_code == 200
    assert again.json() == first.json()


def test_a_changed_payload_is_refused(world, good):
    envelope = world.envelope("offline", world.register(), good)
    payload = base64.b64decode(envelope["payload"]).replace(b"1400", b"1500")
    forged = {**envelope, "payload": base64.b64encode(payload).decode()}

    assert refused(world, world.post("/evidence", forged, "gate"), "does not match")


def test_a_signature_by_a_stranger_is_refused(world, good, tmp_path):
    world.signers["gate"] = generate_key(tmp_path / "stranger.pem")
    envelope = world.envelope("offline", world.register(), good)

    assert refused(world, world.post("/evidence", envelope, "gate"), "no key in the trust file")


@pytest.mark.parametrize(
    ("kind", "signer"),
    [("offline", "drift-monitor"), ("shadow", "gate"), ("canary", "drift-monitor")],
)
def test_the_wrong_signer_for_a_kind_is_refused(world, make, kind, signer):
    measured = {"offline": make.cells(1000), "shadow": make.pairs(), "canary": make.requests()}
    answer = world.submit(kind, world.register(), [measured[kind]], signer=signer)

    assert refused(world, answer, f"not by {signer}")


def test_a_waiver_cannot_be_handed_in_as_evidence(world):
    answer = world.submit("waiver", world.register(), [])

    assert refused(world, answer, "a waiver is not handed in")


def test_expired_evidence_is_refused(world, good):
    answer = world.submit("offline", world.register(), good, expires_at=world.clock.now - 1)

    assert refused(world, answer, "has expired")


@pytest.mark.parametrize("time", ['"Infinity"', '"NaN"'])
def test_times_that_never_come_are_refused(world, good, time):
    digest = world.register()
    made = world.envelope("offline", digest, good, expires_at=1.5)
    payload = base64.b64decode(made["payload"]).replace(b"1.5", time.encode())
    envelope = world.signers["gate"].sign(made["payloadType"], payload)

    assert refused(world, world.post("/evidence", envelope, "gate"), "seconds since the epoch")


@pytest.mark.parametrize("value", ["NaN", r'"\ud800"'])
def test_a_payload_that_no_entry_could_hold_is_refused(world, good, value):
    made = world.envelope("offline", world.register(), good)
    payload = base64.b64decode(made["payload"]).replace(b'"a test"', value.encode())
    envelope = world.signers["gate"].sign(made["payloadType"], payload)

    assert refused(world, world.post("/evidence", envelope, "gate"), "is not JSON")


def test_evidence_older_than_the_policy_allows_is_refused(world, good):
    now = world.clock.now
    answer = world.submit("offline", world.register(), good, produced_at=now - 25 * 3600)

    assert refused(world, answer, "older than the policy's 24 hours")


def test_evidence_from_the_future_is_refused(world, good):
    answer = world.submit("offline", world.register(), good, produced_at=world.clock.now + 600)

    assert refused(world, answer, "produced in the future")


@pytest.mark.parametrize("subject", ["baseline", "dataset", "prompt", "policy", "image"])
def test_evidence_on_other_bytes_is_refused(world, good, subject):
    other = "sha256:" + "9" * 64
    answer = world.submit("offline", world.register(), good, subjects={subject: other})

    assert refused(world, answer, f"was measured with {subject} {other}")


def test_evidence_on_an_unknown_version_is_refused(world, good):
    world.register()
    answer = world.submit("offline", "sha256:" + "9" * 64, good)

    assert refused(world, answer, "register it first")


def test_evidence_against_an_old_production_is_refused(world, make):
    world.released("r1")
    digest = world.register("r2")
    answer = world.submit(
        "offline", digest, [make.without_baseline(make.cells(3000))], subjects={"baseline": "none"}
    )

    assert refused(world, answer, "baseline")


def test_evidence_about_another_model_is_refused(world, good):
    digest = world.register()
    made = world.envelope("offline", digest, good)
    payload = json.loads(base64.b64decode(made["payload"]))
    other = json.dumps({**payload, "model": "spam"}).encode()
    envelope = world.signers["gate"].sign(made["payloadType"], other)

    assert refused(world, world.post("/evidence", envelope, "gate"), "about model 'spam'")


def test_a_signed_payload_of_another_type_is_no_evidence(world, good):
    made = world.envelope("offline", world.register(), good)
    payload = base64.b64decode(made["payload"])
    envelope = world.signers["gate"].sign("application/vnd.in-toto+json", payload)

    assert refused(world, world.post("/evidence", envelope, "gate"), "not Evidence")


COUNTS = {
    "negative": {"n": 10, "bad": -1, "missing": 0, "eligible": 10, "paired": 10},
    "more parts than n": {"n": 10, "bad": 11, "missing": 0, "eligible": 10, "paired": 10},
    "part missing": {"n": 10, "bad": 1},
    "not whole": {"n": 10.5, "bad": 1, "missing": 0, "eligible": 10, "paired": 10},
    "text": {"n": "10", "bad": 1, "missing": 0, "eligible": 10, "paired": 10},
    "too many": {"n": 10**15, "bad": 1, "missing": 0, "eligible": 10, "paired": 10},
    "no object": [],
}


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_counts_that_cannot_be_are_refused(world, make, counts):
    made = world.envelope("shadow", world.register(), [make.pairs()])
    payload = json.loads(base64.b64decode(made["payload"]))
    payload["measurements"][0]["counts"] = counts
    signer = world.signers["drift-monitor"]
    envelope = signer.sign(made["payloadType"], json.dumps(payload).encode())

    assert refused(world, world.post("/evidence", envelope, "drift-monitor"), "cannot be read")


CELLS = {
    "label outside": [[0, 0, 2, 10]],
    "one baseline missing": [[0, 0, 0, 5], [0, -1, 0, 5]],
    "short row": [[0, 0, 10]],
    "negative": [[0, 0, 0, -10]],
    "n differs": [[0, 0, 0, 9]],
}


@pytest.mark.parametrize("rows", CELLS.values(), ids=CELLS)
def test_cells_that_cannot_be_are_refused(world, make, rows):
    counts = {"labels": make.LABELS, "cells": rows}
    measurement = {"name": "cells", "slice": "all", "counts": counts, "n": 10}

    answer = world.submit("offline", world.register(), [measurement])

    assert refused(world, answer, "cannot be read")


def test_an_unknown_measurement_is_refused(world, make):
    measurement = {**make.pairs(), "name": "vibes"}

    assert refused(world, world.submit("shadow", world.register(), [measurement]), "vibes")


@pytest.mark.parametrize(
    "envelope",
    [
        {},
        {"payload": "!", "payloadType": "x", "signatures": []},
        {"payload": "", "payloadType": "x", "signatures": [{"keyid": 5, "sig": ""}]},
        {"payload": 1, "payloadType": None, "signatures": {}},
    ],
    ids=["empty", "not base64", "number for a key", "wrong types"],
)
def test_a_malformed_envelope_is_refused(world, envelope):
    world.register()
    answer = world.post("/evidence", envelope, "gate")

    assert answer.status_code == 422


def test_the_newest_usable_evidence_decides(world, make):
    digest = world.staged("r1")
    world.transition(digest, "ARCHIVED")
    world.clock.now += 60
    world.submit("offline", digest, [make.without_baseline(make.cells(2000, 1000))])

    assert world.transition(digest).json()["verdict"]["outcome"] == "FAIL"


def test_evidence_held_back_does_not_become_the_newest(world, make):
    digest = world.register("r1")
    old = world.envelope("offline", digest, [make.without_baseline(make.cells(2900, 100))])
    world.submit("latency", digest, [make.latencies()])
    world.clock.now += 60
    world.submit("offline", digest, [make.without_baseline(make.cells(2000, 1000))])
    world.post("/evidence", old, "gate")

    assert world.transition(digest).json()["verdict"]["outcome"] == "FAIL"


def test_a_key_that_is_trusted_no_more_takes_its_evidence_with_it(world, good, make):
    digest = world.register()
    world.submit("offline", digest, good)
    world.submit("latency", digest, [make.latencies()])
    trust = world.folder / "trust.json"
    keys = [k for k in json.loads(trust.read_text())["keys"] if k["role"] != "gate"]
    trust.write_text(json.dumps({"keys": keys}))
    world.restart()

    answer = world.transition(digest)

    assert answer.status_code == 409
    assert "no key in the trust file" in answer.json()["detail"]


def rewrite_trust(world, keys):
    """Change the file as a mounted ConfigMap changes: another file under the same name."""
    path = world.folder / "new-trust.json"
    path.write_text(json.dumps({"keys": keys}))
    path.replace(world.folder / "trust.json")


def test_a_key_that_is_added_to_the_trust_file_counts_at_once(world, good, tmp_path):
    digest = world.register()
    new = generate_key(tmp_path / "new-gate.pem")
    envelope = world.envelope("offline", digest, good)
    envelope = new.sign(envelope["payloadType"], base64.b64decode(envelope["payload"]))
    assert refused(world, world.post("/evidence", envelope, "gate"), "no key in the trust file")

    rewrite_trust(world, [{"role": "gate", "public": new.public_text}])

    assert world.post("/evidence", envelope, "gate").status_code == 201


def test_a_trust_file_that_becomes_unusable_changes_nothing(world, good):
    digest = world.register()
    rewrite_trust(world, [{"role": "gate", "public": "AAAA"}])

    assert world.submit("offline", digest, good).status_code == 201
