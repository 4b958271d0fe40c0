"""Who may do what: the API server's rights, our services' roles, the network, admission."""

import json

import pytest

from registry_proxy.door.pods import image_that_ran

NAMESPACE = "models-prod"
ALL = ("get", "list", "watch", "create", "patch", "delete")
READ = ("get", "list", "watch")
CHANGE = {"get", "patch", "update"}
KEYS = ("gate", "drift-monitor", "rollout-controller", "registry-proxy", "fingerprint")
REVIEWS = {
    ("authentication.k8s.io", "tokenreviews", ""): {"create"},
    ("authorization.k8s.io", "subjectaccessreviews", ""): {"create"},
}
# What each account may do, whole: (group, resource, name) to verbs.
RIGHTS = {
    "registry-proxy": {
        **REVIEWS,
        ("isogloss.dev", "admittedversions", "isogloss-admitted"): CHANGE,
        ("", "pods", ""): {"get"},
    },
    "drift-monitor": REVIEWS,
    "rollout-controller": {
        **REVIEWS,
        ("serving.kserve.io", "inferenceservices", ""): set(ALL),
        ("gateway.networking.k8s.io", "httproutes", ""): set(ALL),
        ("", "services", ""): set(ALL),
        ("policy", "poddisruptionbudgets", ""): set(ALL),
        ("apps", "deployments", ""): set(READ),
        ("", "pods", ""): set(READ),
        ("", "events", ""): {*READ, "create"},
        ("isogloss.dev", "servedmodels", ""): set(READ),
        ("isogloss.dev", "servedmodels/status", ""): {"patch"},
        ("coordination.k8s.io", "leases", ""): {"create"},
        ("coordination.k8s.io", "leases", "isogloss-rollout-controller"): {
            "get",
            "patch",
            "update",
        },
        ("gateway.networking.k8s.io", "gatewayclasses", ""): {"get"},
        ("gateway.networking.k8s.io", "gateways", "models"): {"get"},
        ("", "nodes", ""): {"get", "list"},
    },
    "keys": {
        ("", "secrets", ""): {"create"},
        ("", "configmaps", ""): {"create"},
        ("", "configmaps", "isogloss-trust"): CHANGE,
        **{("", "secrets", f"isogloss-{role}-key"): {"get"} for role in KEYS},
    },
    "predictor": {},
    "trainer": {},
    "gate": {},
    "operator": {},
    "mlflow": {},
}
CALLER_ROLES = {
    "registry-proxy": {"viewer"},
    "drift-monitor": {"viewer", "drift-monitor"},
    "rollout-controller": {"viewer", "rollout-controller"},
    "predictor": {"viewer", "predictor"},
    "trainer": {"viewer", "trainer"},
    "gate": {"viewer", "gate"},
    "operator": {"viewer", "operator", "approver", "trainer"},
    "keys": set(),
    "mlflow": set(),
}
# Who sends requests to whom, whole: (from, to, port).
CALLS = {
    ("drift-monitor", "registry-proxy", 8100),
    ("rollout-controller", "registry-proxy", 8100),
    ("predictor", "registry-proxy", 8100),
    ("trainer", "registry-proxy", 8100),
    ("gate", "registry-proxy", 8100),
    ("test", "registry-proxy", 8100),
    ("rollout-controller", "drift-monitor", 8200),
    ("predictor", "drift-monitor", 8200),
    ("trainer", "drift-monitor", 8200),
    ("test", "drift-monitor", 8200),
    ("test", "rollout-controller", 8300),
    ("registry-proxy", "mlflow", 5000),
    ("rollout-controller", "predictor", 8080),
    ("rollout-controller", "predictor", 8081),
}
IMAGE = "sha256:" + "a" * 64
SERVICES = ("registry-proxy", "drift-monitor", "rollout-controller")
CLIENT = {"namespaceSelector": {"matchLabels": {"team": "language"}}}
GUARDED = ("defaults-values.yaml", "everything-values.yaml", "bring-your-own-values.yaml")
COMPONENTS = sorted({name for call in CALLS for name in call[:2]})


@pytest.fixture(scope="module")
def usual(chart):
    return chart.rendered("isogloss", "defaults-values.yaml")


def rules_of(documents, account):
    """Yield the rules that an account is bound to."""
    roles = {(d["kind"], d["metadata"]["name"]): d["rules"] for d in documents if "rules" in d}
    for binding in (d for d in documents if d["kind"].endswith("Binding") and "roleRef" in d):
        for subject in binding["subjects"]:
            assert subject["namespace"] == NAMESPACE
            if subject["name"] == f"isogloss-{account}":
                yield from roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]


def rights_of(documents, account):
    rights = {}
    for rule in rules_of(documents, account):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    rights.setdefault((group, resource, name), set()).update(rule["verbs"])
    return rights


@pytest.mark.parametrize("account", RIGHTS)
def test_each_account_has_the_rights_it_needs_and_no_other(usual, account):
    rights = rights_of(usual, account)
    roles = {
        name
        for (group, resource, name), verbs in list(rights.items())
        if (group, resource) == ("isogloss.dev", "callers") and verbs == {"act"}
    }
    rest = {key: verbs for key, verbs in rights.items() if key[1] != "callers"}
    assert rest == RIGHTS[account]
    assert roles == CALLER_ROLES[account]


def test_every_account_is_in_that_list(chart, usual):
    accounts = {name.removeprefix("isogloss-") for name in chart.of_kind(usual, "ServiceAccount")}
    assert accounts == set(RIGHTS)


def test_no_rule_has_a_star(usual):
    for document in usual:
        for rule in document.get("rules", ()):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_only_the_job_that_makes_keys_reads_secrets(usual):
    readers = {
        account
        for account in RIGHTS
        for (_, resource, _) in rights_of(usual, account)
        if resource == "secrets"
    }
    assert readers == {"keys"}


def labels_of(component):
    return {
        "app.kubernetes.io/name": "isogloss",
        "app.kubernetes.io/instance": "isogloss",
        "app.kubernetes.io/component": component,
    }


def selects(selector, labels):
    for need in selector.get("matchExpressions", ()):
        assert need["operator"] == "In"
        if labels.get(need["key"]) not in need["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def allowed(policies, direction, own, other):
    """Return the ports that policies open between pods of two components in one direction."""
    way = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}[direction]
    return {
        port["port"]
        for policy in policies
        if direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], labels_of(own))
        for rule in policy["spec"].get(way[0], ())
        for peer in rule[way[1]]
        if "podSelector" in peer and selects(peer["podSelector"], labels_of(other))
        for port in rule["ports"]
    }


def test_the_network_lets_through_exactly_the_calls_that_are_made(chart, usual):
    policies = chart.of_kind(usual, "NetworkPolicy").values()
    found = {
        (caller, called, port)
        for caller in COMPONENTS
        for called in COMPONENTS
        for port in allowed(policies, "Egress", caller, called)
        & allowed(policies, "Ingress", called, caller)
    }
    assert found == CALLS


def test_whatever_may_be_sent_may_be_received(chart, usual):
    policies = chart.of_kind(usual, "NetworkPolicy").values()
    for caller in COMPONENTS:
        for called in COMPONENTS:
            sent = allowed(policies, "Egress", caller, called)
            assert sent == allowed(policies, "Ingress", called, caller), (caller, called)


def test_every_pod_of_the_release_is_denied_what_is_not_allowed(chart, usual):
    default = chart.of_kind(usual, "NetworkPolicy")["isogloss-default"]["spec"]
    assert default["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default
    assert {port["port"] for rule in default["egress"] for port in rule["ports"]} == {53}
    runtime = chart.of_kind(usual, "ServingRuntime")["isogloss"]["spec"]
    assert selects(default["podSelector"], runtime["labels"])
    for document in usual:
        if document["kind"] in {"Deployment", "Job"}:
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert selects(default["podSelector"], labels)


def test_only_who_calls_the_api_server_reaches_beyond_the_release(chart, usual):
    policy = chart.of_kind(usual, "NetworkPolicy")["isogloss-to-api-server"]["spec"]
    reached = {
        component
        for component in [*COMPONENTS, "keys", "operator"]
        if selects(policy["podSelector"], labels_of(component))
    }
    assert reached == {"registry-proxy", "drift-monitor", "rollout-controller", "keys"}
    outside = {
        name
        for name, each in chart.of_kind(usual, "NetworkPolicy").items()
        if "ipBlock" in str(each)
    }
    assert outside == {"isogloss-to-api-server"}


def test_an_mlflow_of_ones_own_is_reached_through_the_registry_proxy_only(chart):
    documents = chart.rendered("isogloss", "bring-your-own-values.yaml")
    policy = chart.of_kind(documents, "NetworkPolicy")["isogloss-to-external-services"]["spec"]
    reached = {c for c in COMPONENTS if selects(policy["podSelector"], labels_of(c))}
    assert reached == {"registry-proxy"}


def test_jobs_log_their_runs_through_the_registry_proxy(chart, usual):
    for job in chart.of_kind(usual, "CronJob").values():
        (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        named = {each["name"]: each.get("value") for each in container["env"]}
        registry = named["ISOGLOSS_TRAINING_JOBS_REGISTRY_URL"]
        assert named["ISOGLOSS_TRAINING_JOBS_TRACKING_URI"] == registry


def test_the_charts_training_pod_shows_which_image_it_ran(chart, usual, everything):
    for documents in (usual, everything):
        job = chart.of_kind(documents, "CronJob")["isogloss-train"]["spec"]["jobTemplate"]
        spec = job["spec"]["template"]["spec"]
        status = {"containerStatuses": [{"name": "job", "imageID": IMAGE}]}
        pod = {"metadata": {"uid": "u-1"}, "spec": spec, "status": status}
        assert image_that_ran(pod, "u-1") == IMAGE


def test_clients_reach_the_services_but_neither_mlflow_nor_the_database(chart, everything):
    policies = chart.of_kind(everything, "NetworkPolicy")
    lets_in = {
        name
        for name, policy in policies.items()
        for rule in policy["spec"].get("ingress", [])
        if CLIENT in rule.get("from", [])
    }
    assert lets_in == {f"isogloss-{name}" for name in SERVICES}


def test_users_reach_predictors_from_the_gateways_namespace_only(chart, everything):
    rules = chart.of_kind(everything, "NetworkPolicy")["isogloss-predictors"]["spec"]["ingress"]
    by_port = {}
    for rule in rules:
        for port in rule["ports"]:
            for peer in rule["from"]:
                by_port.setdefault(port["port"], []).append(
                    peer.get("namespaceSelector", peer.get("podSelector"))["matchLabels"]
                )
    assert by_port == {
        8080: [{"kubernetes.io/metadata.name": "envoy-gateway"}, labels_of("rollout-controller")],
        8081: [labels_of("rollout-controller"), {"kubernetes.io/metadata.name": "monitoring"}],
    }


def test_admission_policies_act_in_the_releases_namespace_and_deny(chart, usual):
    policies = chart.of_kind(usual, "ValidatingAdmissionPolicy")
    bindings = chart.of_kind(usual, "ValidatingAdmissionPolicyBinding")
    names = {"admitted-versions", "admitted-writers", "gate-jobs", "service-pods"}
    assert policies.keys() == {f"isogloss-{NAMESPACE}-{name}" for name in names}
    for policy in policies.values():
        selector = policy["spec"]["matchConstraints"]["namespaceSelector"]
        assert selector == {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
        assert policy["spec"]["failurePolicy"] == "Fail"
    assert {binding["spec"]["policyName"] for binding in bindings.values()} == policies.keys()
    assert all(b["spec"]["validationActions"] == ["Deny"] for b in bindings.values())


def test_without_the_list_of_admitted_versions_none_is_admitted(chart, usual):
    bindings = chart.of_kind(usual, "ValidatingAdmissionPolicyBinding")
    created = bindings[f"isogloss-{NAMESPACE}-admitted-versions"]["spec"]
    assert created["paramRef"] == {
        "name": "isogloss-admitted",
        "namespace": NAMESPACE,
        "parameterNotFoundAction": "Deny",
    }
    assert created["matchResources"]["resourceRules"][0]["operations"] == ["CREATE"]


def test_the_chart_never_writes_the_admitted_versions(chart, usual):
    admitted = chart.of_kind(usual, "AdmittedVersions")["isogloss-admitted"]
    assert "data" not in admitted
    assert admitted["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_gates_key_is_mounted_by_the_gates_jobs_only(chart, usual):
    holders = {
        name
        for name, pod in chart.pods(usual).items()
        if any(v.get("secret", {}).get("secretName") == "isogloss-gate-key" for v in pod["volumes"])
    }
    assert holders == {"isogloss-evaluate", "isogloss-evaluate-first"}
    for name in holders:
        pod = chart.pods(usual)[name]
        assert pod["serviceAccountName"] == "isogloss-gate"
        having = [
            each["name"]
            for each in chart.containers(pod)
            if any(mount["name"] == "key" for mount in each["volumeMounts"])
        ]
        assert having == ["job"]
        assert all("command" not in c for c in chart.containers(pod) if c["name"] != "project")


def variables_of(chart, documents):
    policies = chart.of_kind(documents, "ValidatingAdmissionPolicy")
    listed = policies[f"isogloss-{NAMESPACE}-service-pods"]["spec"]["variables"]
    return {each["name"]: each["expression"] for each in listed}


@pytest.mark.parametrize("values", GUARDED)
def test_every_key_is_guarded_under_the_name_that_its_holder_mounts(chart, values):
    """Also where a Secret of the cluster's own is named."""
    every = chart.rendered("isogloss", values)
    holders = json.loads(variables_of(chart, every)["holders"].replace("'", '"'))
    guarded = {(each["account"], each["secret"]) for each in holders}
    mounted = {
        (pod["serviceAccountName"], volume["secret"]["secretName"])
        for name, pod in chart.pods(every).items()
        for volume in pod["volumes"]
        if volume["name"] == "key" and not name.startswith("isogloss-evaluate")
    }
    runtimes = chart.of_kind(every, "ServingRuntime").values()
    mounted |= {
        ("isogloss-predictor", volume["secret"]["secretName"])
        for runtime in runtimes
        for volume in runtime["spec"]["volumes"]
        if "secret" in volume
    }
    assert mounted <= guarded
    assert len(guarded) == 4


@pytest.mark.parametrize("values", GUARDED)
def test_an_image_of_any_tag_from_the_charts_repository_is_let_pass(chart, values):
    every = chart.rendered("isogloss", values)
    repositories = json.loads(variables_of(chart, every)["repositories"].replace("'", '"'))
    own = [pod for pod in chart.pods(every).values() if pod["serviceAccountName"] in repositories]
    assert own
    for pod in own:
        for container in chart.containers(pod):
            (repository,) = repositories[pod["serviceAccountName"]]
            assert container["image"].startswith((f"{repository}:", f"{repository}@"))


def test_a_release_can_move_to_another_repository(chart):
    option = "--set=admissionPolicies.alsoFrom={next.example/isogloss}"
    documents = chart.rendered("isogloss", "defaults-values.yaml", option)
    repositories = json.loads(variables_of(chart, documents)["repositories"].replace("'", '"'))
    assert repositories["isogloss-keys"][1] == "next.example/isogloss/registry-proxy"
    assert repositories["isogloss-predictor"][1] == "next.example/isogloss/inference"


@pytest.mark.parametrize("values", GUARDED)
def test_what_the_drift_monitor_mounts_is_what_its_admission_lets_in(chart, values):
    documents = chart.rendered("isogloss", values)
    policies = chart.of_kind(documents, "ValidatingAdmissionPolicy")
    rules = policies[f"isogloss-{NAMESPACE}-service-pods"]["spec"]["validations"]
    (rule,) = [r["expression"] for r in rules if "'/etc/isogloss/key'" in r["expression"]]
    pod = chart.pods(documents)["isogloss-drift-monitor"]
    claims = {v["name"] for v in pod["volumes"] if "persistentVolumeClaim" in v}
    for mount in pod["containers"][0]["volumeMounts"]:
        own_claim = mount["mountPath"] == "/data" and mount["name"] in claims
        assert own_claim or f"'{mount['mountPath']}'" in rule.rpartition("|| (m.mountPath")[0]
