"""The platform itself: what Isogloss expects of Kubernetes, a gateway and KServe is true here.

When one of these fails, no test of our own services in a cluster means anything.
"""

import json
import math

import pytest

pytestmark = pytest.mark.cluster


def statuses(outcomes):
    return {outcome["status"] for outcome in outcomes}


def test_a_pod_answers_through_the_gateway(namespace, host, gateway_url, eventually):
    namespace.start_echo("production")
    namespace.start_echo("caller")
    namespace.route(host, "production")

    def answer():
        (outcome,) = namespace.calls("caller", gateway_url, host=host)
        return outcome["status"] == 200 and outcome["answer"]

    assert eventually(answer)["name"] == "production"


def mirrored(namespace, host, gateway_url, eventually, percent):
    """Two predictors, of which the second sees copies; returns when a copy has arrived."""
    for name in ("production", "shadow", "caller"):
        namespace.start_echo(name)
    namespace.route(host, "production", mirror=("shadow", percent))

    def a_copy_has_arrived():
        namespace.calls("caller", gateway_url, host=host, count=10)
        return namespace.seen("shadow")

    eventually(a_copy_has_arrived)


def test_a_mirrored_request_has_the_same_id_on_both_legs(namespace, host, gateway_url, eventually):
    mirrored(namespace, host, gateway_url, eventually, percent=100)

    outcomes = namespace.calls("caller", gateway_url, host=host, count=50)
    ids = {outcome["answer"]["request_id"] for outcome in outcomes}

    assert statuses(outcomes) == {200}
    assert len(ids) == 50
    assert all(ids)
    assert eventually(lambda: ids <= set(namespace.seen("shadow")))


def test_the_mirrored_share_is_the_percent_asked_for(namespace, host, gateway_url, eventually):
    mirrored(namespace, host, gateway_url, eventually, percent=20)
    requests, share = 1000, 0.2
    before = len(namespace.seen("shadow"))

    outcomes = namespace.calls("caller", gateway_url, host=host, count=requests)
    ids = {outcome["answer"]["request_id"] for outcome in outcomes}
    copies = len(set(namespace.seen("shadow")[before:]) & ids)

    assert statuses(outcomes) == {200}
    four_sigma = 4 * math.sqrt(requests * share * (1 - share))  # beyond it once in 16,000 runs
    assert abs(copies - requests * share) <= four_sigma


def test_the_gateway_replaces_a_callers_request_id(namespace, host, gateway_url, eventually):
    namespace.start_echo("production")
    namespace.start_echo("caller")
    namespace.route(host, "production")

    def answer():
        (outcome,) = namespace.calls("caller", gateway_url, host=host, request_id="mine")
        return outcome["status"] == 200 and outcome["answer"]

    assert eventually(answer)["request_id"] not in {"", "mine"}


def test_an_inference_service_becomes_ready_and_gets_no_route(namespace, predictor, eventually):
    namespace.start_echo("caller")
    namespace.apply(
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": "sentiment",
                "labels": {"networking.kserve.io/visibility": "cluster-local"},
                "annotations": {"serving.kserve.io/deploymentMode": "Standard"},
            },
            "spec": {"predictor": {"minReplicas": 1, "containers": [predictor]}},
        }
    )
    namespace.wait("Ready", "inferenceservice/sentiment")

    def answer():
        (outcome,) = namespace.calls("caller", namespace.url("sentiment-predictor"))
        return outcome["status"] == 200 and outcome["answer"]

    assert eventually(answer)["name"] == "predictor"
    assert namespace.get("httproutes.gateway.networking.k8s.io")["items"] == []


def policy(name, kind, rules):
    field = kind.lower()
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "podSelector": {"matchLabels": {"app": name}},
            "policyTypes": [kind],
            field: rules,
        },
    }


def test_a_network_policy_lets_in_only_whom_it_names(namespace, eventually):
    for name in ("server", "friend", "stranger"):
        namespace.start_echo(name)
    url = namespace.url("server")
    assert eventually(lambda: statuses(namespace.calls("stranger", url)) == {200})

    friend = {"podSelector": {"matchLabels": {"app": "friend"}}}
    ports = [{"protocol": "TCP", "port": 8080}]
    namespace.apply(policy("server", "Ingress", [{"from": [friend], "ports": ports}]))

    assert eventually(lambda: statuses(namespace.calls("stranger", url)) == {0})
    assert statuses(namespace.calls("friend", url)) == {200}


def test_a_network_policy_lets_out_only_to_whom_it_names(namespace, eventually):
    for name in ("caller", "allowed", "other"):
        namespace.start_echo(name)
    blocked, open_to_it = namespace.url("other"), namespace.url("allowed")
    for url in (blocked, open_to_it):
        assert eventually(lambda url=url: statuses(namespace.calls("caller", url)) == {200})

    allowed = {"podSelector": {"matchLabels": {"app": "allowed"}}}
    names = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    namespace.apply(policy("caller", "Egress", [{"to": [allowed]}, {"to": [names]}]))

    assert eventually(lambda: statuses(namespace.calls("caller", blocked)) == {0})
    assert statuses(namespace.calls("caller", open_to_it)) == {200}


def test_a_claim_gets_a_volume_that_a_pod_can_mount(namespace):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    metadata = {"name": "ledger"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    namespace.apply({**claim, "metadata": metadata, "spec": spec})

    volume = {"name": "ledger", "persistentVolumeClaim": {"claimName": "ledger"}}
    mount = {"volumeMounts": [{"name": "ledger", "mountPath": "/ledger"}]}
    namespace.start_echo("owner", volumes=[volume], container=mount)

    claim = namespace.get("persistentvolumeclaims", "ledger")
    assert claim["status"]["phase"] == "Bound"


def test_prometheus_scrapes_what_a_pod_monitor_names(namespace, kubectl, eventually):
    proxy = "/api/v1/namespaces/monitoring/services/prometheus-operated:9090/proxy"
    names = kubectl("get", "services", "--all-namespaces", "--output", "name")
    if "service/prometheus-operated" not in names.split():
        pytest.skip('no Prometheus: make cluster-up WITH="monitoring"')
    namespace.start_echo("predictor")
    endpoint = {"targetPort": 8080, "path": "/metrics", "interval": "1s"}
    selector = {"matchLabels": {"app": "predictor"}}
    namespace.apply(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": {"name": "predictor"},
            "spec": {"selector": selector, "podMetricsEndpoints": [endpoint]},
        }
    )

    query = f"/api/v1/query?query=echo_predictions_total%7Bnamespace=%22{namespace.name}%22%7D"

    def samples():
        return json.loads(kubectl("get", "--raw", proxy + query))["data"]["result"]

    # The kubelet may take more than a minute to show Prometheus its new configuration.
    assert eventually(samples, 180)
