"""A Rollout that is judged by half of its mirror, until an alert goes back: what only a cluster has
is the gateway's own count of its copies, an account that may post alerts, and Events.
"""

from datetime import UTC, datetime

import pytest

from kube import eventually, kubectl
from sentiment import MODEL, begin_again, serve

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

STATISTICS = ("service/envoy-statistics", "--namespace", "envoy-gateway")  # of e2e-values.yaml
MONITORING = ("--namespace", "monitoring")


@pytest.fixture(scope="module")
def alertmanager():
    """A token of the account that e2e-values.yaml lets post alerts."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "alertmanager"}}
    kubectl("apply", *MONITORING, "-f", "-", document=account)
    yield kubectl("create", "token", "alertmanager", *MONITORING, "--audience", "isogloss").strip()
    kubectl("delete", "serviceaccount", "alertmanager", *MONITORING)


@pytest.fixture(scope="module")
def story(release, users, versions, alertmanager):
    """From the shadow to an alert, under users' load; what was seen on the way."""
    if not kubectl("get", *STATISTICS, "--ignore-not-found", "-o", "name"):
        pytest.skip("no Service of the Envoys' statistics: tests/cluster/manifests/gateway.yaml")
    begin_again(release, *versions)
    heeded = {"mode": "rollBack", "cooldownSeconds": 0}
    spec = {"mirrorPercent": 50, "canaryWeights": [50], "bakeSeconds": 60}
    serve(release, users.host, alertRollback=heeded, **spec)
    told, load = {}, users.start(80)
    try:
        release.roll_out(MODEL, versions[1])
        release.await_phase(MODEL, "SHADOWING")
        told["percent"] = eventually(lambda: release.status(MODEL)["route"]["mirror_percent"])
        told["canary"] = release.await_phase(MODEL, "CANARY", "BAKING", seconds=90)
        told["heeded"] = release.call(
            "rollout-controller", "POST", "/v1/alerts", complaint(versions[1]), alertmanager
        )
        told["end"] = release.await_phase(MODEL, "ROLLED_BACK", seconds=60)
    finally:
        told["load"] = load.stop()
        release.abort(MODEL, "the test is over")
    return told


def complaint(version):
    """What Alertmanager posts about a version."""
    labels = {"alertname": "Complaints", "model": MODEL, "version": version}
    alert = {"status": "firing", "labels": {**labels, "isogloss_rollback": "true"}}
    alert |= {"annotations": {"summary": "many"}, "startsAt": datetime.now(UTC).isoformat()}
    return {"version": "4", "receiver": "isogloss", "alerts": [alert]}


def test_half_a_mirror_passes_by_the_gateways_own_count(story):
    assert story["percent"] == 50
    assert story["canary"]["phase"] in ("CANARY", "BAKING")


def test_an_alert_sends_every_user_back_and_fails_none(story, versions, release):
    status, answer = story["heeded"]

    assert (status, answer["alerts"][0]["outcome"]) == (200, "rolled-back")
    assert story["load"]["failures"] == 0, story["load"]
    assert set(story["load"]["versions"]) == set(versions)
    assert release.production(MODEL) == versions[0]


def test_an_operator_is_not_alertmanager(release, versions, story):
    assert story
    status, _ = release.call("rollout-controller", "POST", "/v1/alerts", complaint(versions[1]))

    assert status == 403


def test_each_phase_is_an_event_of_the_served_model(story, release):
    assert story
    about = "--field-selector=involvedObject.kind=ServedModel"

    def told():
        reasons = {event["reason"] for event in release.get("events", about)["items"]}
        return reasons >= {"RolloutShadowing", "RolloutCanary", "RolloutRolledBack"}

    assert eventually(told, 15)
