"""The HTTP app as it runs, with a clock that is moved by hand and a registry in memory."""

import json

from lifecycle.evidence import PAYLOAD_TYPE, evidence_from_document
from servicekit.signing import Verifier

BASELINE = "sha256:" + "b" * 64
CANDIDATE = "sha256:" + "c" * 64
PAIRING = "/v1/models/sentiment/pairings/r1"
WISH = {"baseline": BASELINE, "candidate": CANDIDATE, "since": 1000.0}
SUBJECTS = {"model": CANDIDATE, "baseline": BASELINE, "dataset": "none", "prompt": "none"} | {
    "policy": "sha256:" + "d" * 64,
    "image": "none",
}
ROLES = ("predictor", "operator", "rollout-controller", "trainer")


def test_mirrored_answers_and_feedback_become_signed_evidence(running, traffic, packed, settings):
    async def steps(monitor):
        put = await monitor.ask("PUT", PAIRING, "rollout-controller", json=WISH)
        assert put.json()["eligible"] == 0
        for version, labels in ((BASELINE, [0, 0, 1]), (CANDIDATE, [1, 0, 1])):
            document = traffic().document(3, batch_id=version[-4:], version=version)
            document["columns"]["label"] = labels
            assert (await monitor.send(packed(document))).json() == {"accepted": 3}
        items = [{"request_id": f"request-{i}", "label": "positive"} for i in range(2)]
        feedback = await monitor.ask("POST", "/v1/feedback", json={"items": items})
        assert feedback.json()["accepted"] == 2
        single = {"request_id": "request-2", "label": "positive"}
        assert (await monitor.ask("POST", "/v1/feedback", "operator", json=single)).json()
        await monitor.counted()
        items += [{"request_id": "nobodys", "label": "positive"}]
        again = await monitor.ask("POST", "/v1/feedback", json={"items": items})
        assert again.json() == {"accepted": 3, "unused": 1}

        page = await monitor.pairing()
        assert page["labelled"] == {"n": 3, "wins": 1, "losses": 0}
        assert (page["pairs"], page["agreeing"], page["disagreeing"]) == (3, 2, 1)
        assert (page["missing"], page["coverage"]) == (0, 1.0)

        wish = {"subjects": SUBJECTS, "expires_at": 9000.0}
        answer = await monitor.ask("POST", f"{PAIRING}/evidence", "rollout-controller", json=wish)
        evidence = opened(answer.json(), settings)
        assert evidence.measurement("pairs").counts["bad"] == 1
        assert evidence.subjects.policy == SUBJECTS["policy"]
        assert evidence.details["rollout"] == "r1"

    running(steps)


def opened(envelope, settings):
    from servicekit.signing import key_id_of, public_key_text  # noqa: PLC0415

    public = public_key_text(settings.signing_key_file)
    payload_type, payload, _ = Verifier({key_id_of(public): public}).open(envelope)
    assert payload_type == PAYLOAD_TYPE
    return evidence_from_document(json.loads(payload))


VERSION = f"/v1/models/sentiment/versions/{BASELINE}"


def test_an_a_a_run_becomes_a_noise_floor_and_goes_into_evidence(
    running, traffic, packed, settings
):
    async def steps(monitor):
        assert (await monitor.ask("GET", f"{VERSION}/noise")).status_code == 404
        texts = [f"text-{row // 2}" for row in range(80)]
        document = traffic().document(80, batch_id="aa", fingerprint=texts)
        document["columns"]["label"] = [1, 0] * 4 + [0] * 72
        too_soon = await monitor.ask("POST", f"{VERSION}/noise", "operator")
        assert "0 texts were answered twice" in too_soon.json()["detail"]
        await monitor.send(packed(document))
        await monitor.counted()

        measured = (await monitor.ask("POST", f"{VERSION}/noise", "operator")).json()
        assert (measured["n"], measured["differing"], measured["point"]) == (40, 4, 0.1)
        assert (await monitor.ask("GET", f"{VERSION}/noise")).json() == measured

        await monitor.ask("PUT", PAIRING, "rollout-controller", json=WISH)
        wish = {"subjects": SUBJECTS, "expires_at": 9000.0}
        answer = await monitor.ask("POST", f"{PAIRING}/evidence", "rollout-controller", json=wish)
        evidence = opened(answer.json(), settings)
        assert evidence.measurement("noise").counts == {"n": 40, "differing": 4}

    running(steps)


def test_traffic_is_told_by_slice_with_what_of_it_counts(running, traffic, packed, reference_bytes):
    async def steps(monitor):
        monitor.world.references.files[BASELINE] = reference_bytes
        document = traffic().document(40, fingerprint=["same", "other"] * 20)
        await monitor.send(packed(document))
        await monitor.counted()
        monitor.world.now += 20

        page = (await monitor.ask("GET", f"{VERSION}/traffic")).json()
        assert page["unique_share"] == 2 / 40
        assert page["texts_per_second"] == sum(page["slices"].values()) > 0

    running(steps)


def test_a_gateways_count_is_held_against_what_the_candidate_told(
    running, traffic, packed, settings
):
    async def steps(monitor):
        wish = WISH | {"mirror_percent": 20}
        await monitor.ask("PUT", PAIRING, "rollout-controller", json=wish)
        for version, rows in ((BASELINE, 30), (CANDIDATE, 6)):
            document = traffic(seed=3).document(rows, batch_id=version[-4:], version=version)
            document["columns"]["label"] = [0] * rows
            await monitor.send(packed(document))
        await monitor.counted()
        monitor.world.now += 10
        assert (await monitor.pairing())["coverage"] is None

        read = {"percent": 20, "since": 1000.0, "readings": [[1000.0, 0], [1002.0, 8], [1009.0, 9]]}
        asked = {"subjects": SUBJECTS, "expires_at": 9000.0, "mirror": read}
        answer = await monitor.ask("POST", f"{PAIRING}/evidence", "rollout-controller", json=asked)
        pairs = opened(answer.json(), settings).measurement("pairs").counts
        assert (pairs["eligible"], pairs["missing"], pairs["mirrored"]) == (8, 2, 8)

    running(steps)


def test_a_repeated_batch_is_acknowledged_and_counted_once(running, traffic, packed):
    async def steps(monitor):
        body = packed(traffic().document(5))
        assert [(await monitor.send(body)).json() for _ in range(3)] == [{"accepted": 5}] * 3
        await monitor.counted()
        assert await monitor.sample("isogloss_drift_monitor_events_total") == 5

    running(steps)


def test_what_was_acknowledged_is_there_after_a_restart(running, traffic, packed):
    body = packed(traffic().document(5))

    async def before(monitor):
        await monitor.ask("PUT", PAIRING, "rollout-controller", json=WISH)
        await monitor.send(body)  # the app ends at once: counted or only journalled

    async def after(monitor):
        monitor.world.now = 2000.0
        await monitor.send(body)
        await monitor.counted()
        assert (await monitor.pairing())["eligible"] == 5

    running(before)
    running(after)


def test_a_full_queue_sheds_with_a_time_to_retry_and_a_counter(running, traffic, packed):
    async def steps(monitor):
        refused = None
        for number in range(200):
            answer = await monitor.send(packed(traffic().document(500, batch_id=f"b{number}")))
            refused = answer if answer.status_code == 503 else refused
        assert refused.json()["type"] == "urn:isogloss:problem:queue-full"
        assert refused.headers["retry-after"]
        dropped = 'isogloss_drift_monitor_dropped_total{reason="queue-full"}'
        assert await monitor.sample(dropped) >= 500
        await monitor.counted()

    running(steps)


def test_drift_is_shown_with_its_signals_beside_the_naive_rule(
    running, traffic, packed, reference_bytes, until
):
    async def steps(monitor):
        monitor.world.references.files[BASELINE] = reference_bytes
        for window in range(3):
            kind = {"seed": 50 + window, "shift": 0.03}
            document = traffic(**kind).document(300, batch_id=f"w{window}", start=window * 300)
            await monitor.send(packed(document))
            await monitor.counted()
            monitor.world.now += 60
            await until(lambda seen=window + 1: has_tested(monitor, seen))

        page = (await monitor.ask("GET", "/v1/models/sentiment/drift")).json()
        (version,) = page["versions"]
        signals = {(s["slice"], s["detector"]): s for s in version["signals"]}
        assert signals["all", "embedding"]["cusum"] > 0
        assert signals["all", "embedding"]["threshold"] > 1
        assert signals["all", "label"]["p_value"] > 1e-5
        assert version["naive_cosine"]["limit"] == 0.08
        assert 0 <= version["naive_cosine"]["false_alarms"] <= 1
        finding = next(f for f in page["findings"] if f["slice"] == "all")
        assert finding["detector"] == "embedding"
        assert {"id", "digest", "direction", "size", "since", "found_at", "text"} <= set(finding)
        name = "isogloss_drift_monitor_findings_total"
        assert await monitor.sample(name) == 1

    running(steps)


async def has_tested(monitor, windows):
    page = (await monitor.ask("GET", "/v1/models/sentiment/drift")).json()
    signals = [s for v in page["versions"] for s in v["signals"] if s["slice"] == "all"]
    return signals and signals[0]["windows"] == windows


BAD = [
    ("POST", "/v1/events", "predictor", {"content": b"nonsense"}, 422),
    ("POST", "/v1/events", "predictor", {"content": b"x" * 300_000}, 413),
    ("POST", "/v1/events", "operator", {"content": b""}, 403),
    ("POST", "/v1/events", None, {"content": b""}, 401),
    ("POST", "/v1/feedback", "operator", {"content": b"{"}, 400),
    ("POST", "/v1/feedback", "operator", {"content": b"[" * 600_000}, 413),
    ("POST", "/v1/feedback", "operator", {"json": {"request_id": "a"}}, 422),
    ("POST", "/v1/feedback", "operator", {"json": {"items": []}}, 422),
    ("POST", "/v1/feedback", "operator", {"json": []}, 422),
    ("POST", "/v1/feedback", "trainer", {"json": {"request_id": "a", "label": "b"}}, 403),
    ("PUT", PAIRING, "operator", {"json": WISH}, 403),
    ("PUT", PAIRING, "rollout-controller", {"json": WISH | {"candidate": BASELINE}}, 422),
    ("PUT", PAIRING, "rollout-controller", {"json": WISH | {"baseline": "v1"}}, 422),
    ("PUT", PAIRING, "rollout-controller", {"content": b" " * 600_000}, 413),
    ("PUT", "/v1/models/Bad Name/pairings/r1", "rollout-controller", {"json": WISH}, 422),
    ("GET", PAIRING, "trainer", {}, 404),
    ("POST", f"{PAIRING}/evidence", "rollout-controller", {"json": {"expires_at": 1}}, 422),
    ("GET", "/v1/models/sentiment/labelling", "operator", {}, 404),
    ("GET", "/v1/models/sentiment/labelling", "trainer", {}, 403),
    ("GET", "/v1/models/sentiment/facts", "operator", {}, 404),
    ("GET", "/v1/models/sentiment/facts?days=0", "operator", {}, 422),
    ("GET", "/v1/models/sentiment/reports/1", "operator", {}, 404),
    ("PUT", "/v1/models/sentiment/reports/1", "predictor", {"json": {}}, 403),
    ("PUT", "/v1/models/sentiment/reports/x", "trainer", {"json": {}}, 422),
    ("GET", "/v1/nowhere", "trainer", {}, 404),
]


def test_bad_input_gets_a_problem_and_never_a_stack_trace(running):
    async def steps(monitor):
        for method, path, role, options, status in BAD:
            answer = await monitor.ask(method, path, role, **options)
            assert answer.status_code == status, (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"].startswith("urn:isogloss:problem:")

    running(steps)


def test_another_pair_under_the_same_rollout_is_a_conflict(running):
    async def steps(monitor):
        controller = "rollout-controller"
        await monitor.ask("PUT", PAIRING, controller, json=WISH)
        again = await monitor.ask("PUT", PAIRING, controller, json=WISH | {"since": 5.0})
        assert again.json()["since"] == 1000.0
        other = WISH | {"candidate": "sha256:" + "e" * 64}
        refused = await monitor.ask("PUT", PAIRING, controller, json=other)
        assert (refused.status_code, refused.json()["status"]) == (409, 409)
        wish = {"subjects": SUBJECTS | {"model": BASELINE}, "expires_at": 9000.0}
        refused = await monitor.ask("POST", f"{PAIRING}/evidence", controller, json=wish)
        assert refused.status_code == 409

    running(steps)


def test_a_model_without_traffic_has_an_empty_page(running):
    async def steps(monitor):
        page = (await monitor.ask("GET", "/v1/models/quiet/drift", "trainer")).json()
        assert page == {"model": "quiet", "versions": [], "findings": []}
        assert (await monitor.ask("GET", "/readyz", None)).json() == {"status": "ready"}

    running(steps)
