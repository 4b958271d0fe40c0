"""What a well-kept chart does, one sentence each, looked for in what Helm renders."""

import json
import re

import kubernetes_validate
import pytest

SERVICES = {"registry-proxy": 8100, "drift-monitor": 8200, "rollout-controller": 8300}
CALLS_THE_API_SERVER = {f"isogloss-{name}" for name in (*SERVICES, "keys")}
# Of these kinds the API server's own schema is known; of others their CRDs have it.
CUSTOM = re.compile(r"kserve\.io|gateway\.networking|monitoring\.coreos|isogloss\.dev")


def labels_match(selector, labels):
    for need in selector.get("matchExpressions", ()):
        assert need["operator"] == "In"
        if labels.get(need["key"]) not in need["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def pod_labels(document):
    if document["kind"] == "Pod":
        return document["metadata"]["labels"]
    return document["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("name", ["isogloss", "isogloss-crds"])
def test_helm_finds_nothing_to_lint(chart, name):
    values = chart.folder / "ci/defaults-values.yaml" if name == "isogloss" else None
    options = ["--values", values, "--set", "requireClusterApis=false"] if values else []
    code, printed, told = chart.helm("lint", "--strict", chart.root / "charts" / name, *options)
    assert code == 0, printed + told


def test_every_builtin_object_fits_its_schema(every):
    for document in every:
        if not CUSTOM.search(document["apiVersion"]):
            kubernetes_validate.validate(document, "1.34", strict=True)


def test_rendering_twice_gives_the_same(chart):
    options = ("--values", chart.folder / "ci/everything-values.yaml", "--skip-tests")
    texts = {
        chart.rendered_text.__wrapped__("isogloss", *options, "--set", "requireClusterApis=false")
        for _ in range(2)
    }
    assert len(texts) == 1


def test_every_object_of_a_namespace_names_it(every):
    clusterwide = ("ClusterRole", "ClusterStorageContainer", "ValidatingAdmissionPolicy")
    for document in every:
        if not document["kind"].startswith(clusterwide):
            assert document["metadata"]["namespace"] in {"models-prod", "models", "gateways"}


def test_every_object_says_what_it_belongs_to(every):
    for document in every:
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "isogloss"
        assert labels["app.kubernetes.io/instance"] == "isogloss"
        assert labels["helm.sh/chart"].startswith("isogloss-")


def test_every_pod_is_one_of_the_restricted_standard(chart, every):
    for name, pod in chart.pods(every).items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] == 999
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in chart.containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, container["name"]
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_every_container_has_a_read_only_root_and_a_tmp_of_its_own(chart, every):
    for name, pod in chart.pods(every).items():
        for container in chart.containers(pod):
            assert container["securityContext"]["readOnlyRootFilesystem"], (name, container["name"])
            mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert "/tmp" in mounts or container["name"] == "project", name  # noqa: S108 - a mount


def test_every_container_says_what_it_needs_and_at_most_takes(chart, every):
    for name, pod in chart.pods(every).items():
        for container in chart.containers(pod):
            amounts = container["resources"]
            assert {"cpu", "memory"} <= amounts["requests"].keys(), (name, container["name"])
            assert "memory" in amounts["limits"], (name, container["name"])


def test_no_pod_gets_the_api_servers_token_unless_it_calls_it(chart, every):
    for name, pod in chart.pods(every).items():
        assert pod["automountServiceAccountToken"] is (name in CALLS_THE_API_SERVER), name
    for name, account in chart.of_kind(every, "ServiceAccount").items():
        assert account["automountServiceAccountToken"] is False, name


def test_no_pod_learns_of_services_by_its_environment(chart, every):
    assert all(pod["enableServiceLinks"] is False for pod in chart.pods(every).values())


def test_every_token_is_for_our_audience_and_expires(chart, every):
    tokens = [
        source["serviceAccountToken"]
        for pod in chart.pods(every).values()
        for volume in pod["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
    ]
    assert tokens
    for token in tokens:
        assert token["audience"] == "isogloss"
        assert token["expirationSeconds"] <= 3600


def test_every_secret_file_is_read_by_the_pods_group_only(chart, every):
    for pod in chart.pods(every).values():
        for volume in pod["volumes"]:
            for kind in ("secret", "projected"):
                assert kind not in volume or volume[kind]["defaultMode"] == 0o440


def test_no_secret_is_in_the_chart(every):
    assert not [document for document in every if document["kind"] == "Secret"]


def test_every_key_may_be_one_that_exists(chart):
    documents = chart.rendered("isogloss", "bring-your-own-values.yaml")
    named = {
        volume["secret"]["secretName"]
        for pod in chart.pods(documents).values()
        for volume in pod["volumes"]
        if "secret" in volume
    }
    keys = {"my-registry-key", "my-drift-key", "my-rollout-key", "my-gate-key"}
    assert named == keys
    assert "my-fingerprint" in json.dumps(documents)
    assert not chart.of_kind(documents, "Job", "PersistentVolumeClaim")


def test_several_registry_proxies_keep_nothing_in_their_pods(chart, everything):
    deployment = chart.of_kind(everything, "Deployment")["isogloss-registry-proxy"]["spec"]
    pod = deployment["template"]["spec"]
    told = {each["name"]: each for each in pod["containers"][0]["env"]}

    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert {"name": "data", "emptyDir": {}} in pod["volumes"]
    assert "isogloss-registry-proxy" in chart.of_kind(everything, "PodDisruptionBudget")
    password = told["ISOGLOSS_REGISTRY_PROXY_DATABASE_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert password == {"name": "my-database", "key": "password"}


def test_several_drift_monitors_keep_only_their_journals_in_their_pods(chart, everything):
    deployment = chart.of_kind(everything, "Deployment")["isogloss-drift-monitor"]["spec"]
    pod = deployment["template"]["spec"]
    told = {each["name"]: each for each in pod["containers"][0]["env"]}

    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert {"name": "data", "emptyDir": {}} in pod["volumes"]
    assert "isogloss-drift-monitor" in chart.of_kind(everything, "PodDisruptionBudget")
    password = told["ISOGLOSS_DRIFT_MONITOR_DATABASE_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert password == {"name": "my-database", "key": "password"}


def test_keys_of_ones_own_are_told_to_the_job_that_makes_the_others(chart):
    documents = chart.rendered("isogloss", "defaults-values.yaml", "--set=jobs.existingSecret=mine")
    job = chart.pods(documents)["isogloss-keys"]["containers"][0]
    (rule,) = [
        rule
        for rule in chart.of_kind(documents, "Role")["isogloss-keys"]["rules"]
        if rule["resources"] == ["secrets"]
    ]
    assert "--existing=gate=mine" in job["args"]
    assert "mine" in rule["resourceNames"]


def test_every_service_is_probed_and_has_time_to_stop(chart, every):
    for name in SERVICES:
        pod = chart.pods(every)[f"isogloss-{name}"]
        (container,) = pod["containers"]
        for kind in ("startup", "liveness"):
            assert container[f"{kind}Probe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        prefix = f"ISOGLOSS_{name.upper().replace('-', '_')}"
        environment = {each["name"]: each.get("value") for each in container["env"]}
        assert environment[f"{prefix}_SHUTDOWN_DELAY_SECONDS"] == "5"
        assert pod["terminationGracePeriodSeconds"] >= 5 + 10


def test_a_predictor_answers_until_those_of_the_next_inference_service_do(chart, everything):
    runtime = chart.of_kind(everything, "ServingRuntime")["isogloss"]["spec"]
    (container,) = runtime["containers"]
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert environment["ISOGLOSS_INFERENCE_SHUTDOWN_DELAY_SECONDS"] == "15"
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_a_changed_setting_rolls_the_pods_that_read_it(chart):
    def templates(*options):
        documents = chart.rendered("isogloss", "defaults-values.yaml", *options)
        deployments = chart.of_kind(documents, "Deployment")
        return {name: each["spec"]["template"] for name, each in deployments.items()}

    before, after = templates(), templates("--set=logLevel=debug")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"isogloss-{name}" for name in SERVICES}


def test_what_keeps_sqlite_is_one_pod_on_a_volume_that_outlives_an_uninstall(chart):
    documents = chart.rendered("isogloss", "defaults-values.yaml")
    for name in ("registry-proxy", "drift-monitor", "mlflow"):
        spec = chart.of_kind(documents, "Deployment")[f"isogloss-{name}"]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
        claim = chart.of_kind(documents, "PersistentVolumeClaim")[f"isogloss-{name}"]
        assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_what_has_replicas_spreads_and_keeps_one_through_a_drain(chart):
    documents = chart.rendered("isogloss", "defaults-values.yaml")
    name = "isogloss-rollout-controller"
    spec = chart.of_kind(documents, "Deployment")[name]["spec"]
    budget = chart.of_kind(documents, "PodDisruptionBudget")[name]["spec"]
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spec["replicas"] == 2
    assert {each["topologyKey"] for each in spread} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    assert budget["maxUnavailable"] == 1
    assert labels_match(budget["selector"], pod_labels({"kind": "Deployment", "spec": spec}))


def test_an_hpa_takes_the_replicas_of_what_can_scale_and_of_nothing_else(chart, everything):
    (scaler,) = chart.of_kind(everything, "HorizontalPodAutoscaler").values()
    target = scaler["spec"]["scaleTargetRef"]["name"]
    assert target == "isogloss-rollout-controller"
    assert "replicas" not in chart.of_kind(everything, "Deployment")[target]["spec"]


def test_selectors_hold_nothing_that_an_upgrade_changes(chart, every):
    wanted = {"app.kubernetes.io/" + key for key in ("name", "instance", "component")}
    for deployment in chart.of_kind(every, "Deployment").values():
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert selector.keys() == wanted
        assert selector.items() <= pod_labels(deployment).items()


def test_every_service_leads_to_pods_of_exactly_one_deployment(chart, every):
    deployments = chart.of_kind(every, "Deployment")
    for name, service in chart.of_kind(every, "Service").items():
        selector = {"matchLabels": service["spec"]["selector"]}
        led = [each for each, d in deployments.items() if labels_match(selector, pod_labels(d))]
        assert led == [name]


def test_the_idle_services_ask_for_less_than_a_gibibyte_and_150_millicores(chart):
    documents = chart.rendered("isogloss", "defaults-values.yaml")
    cpu = memory = 0
    for name in SERVICES:
        deployment = chart.of_kind(documents, "Deployment")[f"isogloss-{name}"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        requests, replicas = container["resources"]["requests"], deployment["spec"]["replicas"]
        cpu += int(requests["cpu"].removesuffix("m")) * replicas
        memory += int(requests["memory"].removesuffix("Mi")) * replicas
    assert cpu <= 150
    assert memory <= 1024


def test_monitors_scrape_every_service_and_every_predictor(chart, everything):
    (services,) = chart.of_kind(everything, "ServiceMonitor").values()
    (predictors,) = chart.of_kind(everything, "PodMonitor").values()
    runtime = chart.of_kind(everything, "ServingRuntime")["isogloss"]["spec"]
    scraped = {
        name
        for name, service in chart.of_kind(everything, "Service").items()
        if labels_match(services["spec"]["selector"], service["metadata"]["labels"])
    }
    ports = {port["name"]: port["containerPort"] for port in runtime["containers"][0]["ports"]}
    assert scraped == {f"isogloss-{name}" for name in SERVICES}
    assert labels_match(predictors["spec"]["selector"], runtime["labels"])
    assert ports[predictors["spec"]["podMetricsEndpoints"][0]["port"]] == 8081
    for monitor in (services, predictors):
        assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_every_rule_file_and_every_dashboard_is_in_the_chart_as_it_is(chart, everything):
    monitoring = chart.root / "monitoring"
    rules = chart.of_kind(everything, "PrometheusRule")
    files = [*monitoring.glob("rules/*.yaml"), *monitoring.glob("alerts/*.yaml")]
    assert files
    assert rules.keys() == {f"isogloss-{path.parent.name}-{path.stem}" for path in files}
    assert all(rule["spec"]["groups"] for rule in rules.values())
    boards = chart.of_kind(everything, "ConfigMap")
    for path in monitoring.glob("dashboards/*.json"):
        board = boards[f"isogloss-dashboard-{path.stem}"]
        assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(board["data"][f"isogloss-{path.name}"]) == json.loads(path.read_text())


def test_a_packaged_chart_carries_rules_and_dashboards(chart, tmp_path):
    code, printed, told = chart.helm("package", chart.folder, "--destination", tmp_path)
    assert code == 0, printed + told
    (archive,) = tmp_path.glob("*.tgz")
    options = ("--set", "requireClusterApis=false,metrics.prometheusRule.enabled=true")
    gateway = ("--set", "gateway.name=models,gateway.namespace=models")
    code, printed, told = chart.helm("template", "isogloss", archive, *options, *gateway)
    assert code == 0, told
    assert printed.count("kind: PrometheusRule") == len(
        [*chart.root.glob("monitoring/rules/*.yaml"), *chart.root.glob("monitoring/alerts/*.yaml")]
    )


def test_apis_of_the_services_get_routes_to_their_v1_only(chart, everything):
    routes = chart.of_kind(everything, "HTTPRoute")
    assert routes.keys() == {f"isogloss-{name}" for name in SERVICES}
    for name, port in SERVICES.items():
        (rule,) = routes[f"isogloss-{name}"]["spec"]["rules"]
        assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/v1"}}]
        assert rule["backendRefs"] == [{"name": f"isogloss-{name}", "port": port}]
    (gateway,) = chart.of_kind(everything, "Gateway").values()
    assert gateway["spec"]["listeners"][0]["allowedRoutes"] == {"namespaces": {"from": "Same"}}


def test_jobs_are_started_from_suspended_templates(chart):
    documents = chart.rendered("isogloss", "defaults-values.yaml")
    templates = chart.of_kind(documents, "CronJob")
    names = ("check-data", "train", "register", "report", "accept", "evaluate", "evaluate-first")
    assert templates.keys() == {f"isogloss-{name}" for name in names}
    assert [name for name, each in templates.items() if not each["spec"]["suspend"]] == [
        "isogloss-report"  # the only one that also runs by itself
    ]
    for template in templates.values():
        assert template["spec"]["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] > 0
        assert template["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0


def test_helm_test_asks_every_service_with_a_token(everything):
    (pod,) = [d for d in everything if d["kind"] == "Pod"]
    args = " ".join(pod["spec"]["containers"][0]["args"])
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert all(f"isogloss-{name}:{port}/readyz" in args for name, port in SERVICES.items())
    assert any("projected" in volume for volume in pod["spec"]["volumes"])


def test_notes_tell_the_next_command_by_names_that_exist(chart, everything):
    options = ("--values", chart.folder / "ci/everything-values.yaml", "--dry-run=client")
    code, printed, told = chart.helm(
        "install", "isogloss", chart.folder, *options, "--set", "requireClusterApis=false"
    )
    assert code == 0, told
    notes = printed.partition("NOTES:")[2]
    names = {document["metadata"]["name"] for document in everything}
    assert "helm test isogloss" in notes
    assert set(re.findall(r"isogloss-[a-z-]+", notes)) <= names


def test_a_release_of_another_name_is_called_by_it(chart):
    given = "requireClusterApis=false,gateway.name=m,gateway.namespace=m"
    code, printed, told = chart.helm("template", "blue", chart.folder, "--set", given)
    assert code == 0, told
    assert "name: blue-isogloss-registry-proxy" in printed
    assert "http://blue-isogloss-registry-proxy:8100" in printed
