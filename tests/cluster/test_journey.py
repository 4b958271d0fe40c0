"""From labels to a rollback on a real cluster, by kubectl, helm and HTTP only.

`story` goes the way once; the tests say what must be true of it.
"""

import json
import time

import pytest

from kube import KubectlRefused, eventually
from sentiment import (
    MODEL,
    apply_project,
    evaluate,
    promote,
    roll_out,
    served_model,
    staged,
    train,
    waive,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

OTHER_DOMAIN = "/workspace/.isogloss/data/imdb-reviews-1.0.0/other-domain.parquet"
PROMETHEUS = "/api/v1/namespaces/monitoring/services/prometheus-operated:9090/proxy"


@pytest.fixture(scope="module")
def story(release, users):
    told = {}
    apply_project(release, users.host)
    told["first"] = first = staged(release, 1500)
    roll_out(release, first, "SUCCEEDED")
    load = users.start(80)
    told["first prediction"] = time.time() - release.seen["install"]

    told["better"] = better = staged(release, 5000)
    told["rollout"] = roll_out(release, better, "SUCCEEDED")
    told["going back"] = release.roll_back(MODEL, "somebody complains")
    told["promoting"] = load.stop()

    told["flipped"] = flipped = train(release, 1500, "--flip-labels")
    evaluate(release, flipped)
    told["refused"] = promote(release, flipped)
    waive(release, flipped, "offline-quality")
    assert promote(release, flipped)[0] == 200
    load = users.start(80)
    told["flipped rollout"] = roll_out(release, flipped, "ABORTED", "ROLLED_BACK")
    told["shadowing the flipped"] = load.stop()
    return told


def test_the_first_version_answers_users_within_five_minutes_of_its_installation(story):
    assert story["first prediction"] < 300


def test_no_users_request_fails_while_versions_change(story):
    for counts in (story["promoting"], story["shadowing the flipped"]):
        assert counts["requests"] > 300
        assert counts["failures"] == 0, counts


def test_users_are_answered_by_both_versions_and_told_which(story):
    answered = story["promoting"]["versions"]

    assert set(answered) == {story["first"].digest, story["better"].digest}


def test_a_version_that_is_worse_is_refused_with_its_numbers(story):
    status, problem = story["refused"]

    assert status == 409
    assert "macro_f1" in json.dumps(problem["verdict"])


def test_a_version_stopped_in_shadow_never_answers_a_user(story):
    assert story["flipped rollout"]["phase"] == "ABORTED"
    assert story["flipped"].digest not in story["shadowing the flipped"]["versions"]


def test_going_back_is_in_effect_within_a_second_and_recorded(story):
    back = story["going back"]

    assert back["to"] == story["first"].digest
    assert back["milliseconds"] < 1000
    assert back["recorded"]
    last = story["promoting"]["versions"][story["better"].digest]["last_sent_at"]
    assert last - back["decided_at"] < 1


def test_the_run_of_a_version_is_in_mlflow_with_its_lineage(story, release):
    path = f"/api/2.0/mlflow/runs/get?run_id={story['first'].run}"
    run = release.asked("mlflow", "GET", path)["run"]

    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert {"dataset_version", "prompt_version", "commit"} <= set(tags)


def test_a_version_is_known_with_the_image_of_the_pod_that_trained_it(story, release):
    path = f"/v1/models/{MODEL}/versions/{story['first'].digest}"
    version = release.asked("registry-proxy", "GET", path)
    training = version["metadata"]["training"]

    assert training["image"].startswith("sha256:"), training["why"]
    assert training["caller"] == release.account("trainer")
    assert version["lineage"]["image"] == training["image"]


def test_a_versions_rows_are_kept_beside_it(story, release):
    path = f"/v1/models/{MODEL}/versions/{story['first'].digest}"
    version = release.asked("registry-proxy", "GET", path)

    kept = f"/v1/artifacts/{version['metadata']['made_from']['dataset']}/manifest"
    files = release.asked("registry-proxy", "GET", kept)["files"]
    assert files["test.jsonl"] == version["lineage"]["test_set_digest"]


def test_the_ledger_is_whole(story, release):
    assert story
    report = release.asked("registry-proxy", "GET", "/v1/ledger/verify")

    assert report["problem"] is None
    assert report["entries"] > 10


def test_only_admitted_versions_may_be_served_by_our_runtime(story, release):
    admitted = release.get("admittedversions", f"{release.name}-admitted")["data"]
    flipped = story["flipped"].digest.removeprefix("sha256:")

    assert admitted[f"{MODEL}.{story['first'].digest.removeprefix('sha256:')}"] == "PRODUCTION"
    assert f"{MODEL}.{flipped}" not in admitted
    with pytest.raises(KubectlRefused, match="admitted"):
        release.apply(by_hand("refused", story["flipped"].digest))


def test_an_inference_service_written_by_hand_serves_an_admitted_version(story, release):
    release.apply(by_hand("by-hand", story["first"].digest))
    try:
        wait = ("wait", "--for=condition=Ready", "inferenceservice/by-hand", "--timeout=120s")
        release.kubectl(*wait)
    finally:
        release.kubectl("delete", "inferenceservice", "by-hand", "--wait=false")


def by_hand(name, digest):
    model = {"modelFormat": {"name": "isogloss"}, "runtime": "isogloss"}
    model["storageUri"] = f"isogloss://{MODEL}@{digest}"
    model["env"] = [{"name": "ISOGLOSS_INFERENCE_MODEL", "value": MODEL}]
    pod = {"serviceAccountName": "isogloss-predictor", "automountServiceAccountToken": False}
    pod |= {"enableServiceLinks": False, "minReplicas": 1}
    pod["securityContext"] = {"runAsNonRoot": True, "fsGroup": 999}
    pod["securityContext"]["seccompProfile"] = {"type": "RuntimeDefault"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "none",
            },
            "labels": {"networking.kserve.io/visibility": "cluster-local"},
        },
        "spec": {"predictor": {**pod, "model": model}},
    }


def test_what_is_applied_again_never_moves_weights(story, release, users):
    assert story
    before = release.get("httproute", MODEL)["spec"]["rules"]

    release.upgrade()
    release.apply(served_model(users.host))

    time.sleep(3)  # the controller has looked again: nothing must have happened
    assert release.get("httproute", MODEL)["spec"]["rules"] == before


def test_another_domain_is_found_and_the_usual_one_is_not(story, release, users):
    first = story["first"].digest
    usual = findings(release, first)
    load = users.about(OTHER_DOMAIN).start(80)
    eventually(lambda: findings(release, first), 180, every=2)
    load.stop()

    assert usual == []
    finding = findings(release, first)[0]
    assert {"slice", "detector", "direction", "size", "since", "text"} <= set(finding)


def findings(release, digest):
    drift = release.asked("drift-monitor", "GET", f"/v1/models/{MODEL}/drift")
    return [finding for finding in drift["findings"] if finding["digest"] == digest]


@pytest.mark.parametrize(
    "metric",
    [
        "isogloss_inference_requests_total",
        "isogloss_rollout_rollbacks_total",
        "isogloss_registry_entries_total",
        "isogloss_drift_monitor_events_total",
    ],
)
def test_a_real_prometheus_scrapes_every_service(story, release, metric):
    assert story
    query = f"/api/v1/query?query={metric}%7Bnamespace=%22{release.namespace}%22%7D"

    def samples():
        answer = json.loads(release.kubectl("get", "--raw", PROMETHEUS + query))
        return answer["data"]["result"]

    assert eventually(samples, 60, every=2)


def test_kubectl_shows_where_a_model_stands(story, release):
    shown = release.kubectl("get", "servedmodel", MODEL).splitlines()

    assert "PHASE" in shown[0]
    assert "ABORTED" in shown[1]
    assert story["first"].digest.removeprefix("sha256:")[:8] in shown[1]
