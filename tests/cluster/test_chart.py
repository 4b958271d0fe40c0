"""The chart on a real API server: who may do what, ServedModels, upgrade and rollback."""

import json
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from kube import eventually, kubectl, refusal
from load import REPOSITORY, RESTRICTED, TAG
from release import ROOT, helm

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SPECS = yaml.safe_load((ROOT / "tests/render/served-models.yaml").read_text())


NEEDED = {
    "registry-proxy": [
        ("patch", "isogloss.dev", "admittedversions", "isogloss-admitted"),
        ("create", "authentication.k8s.io", "tokenreviews", ""),
        ("get", "", "pods", ""),
    ],
    "drift-monitor": [("create", "authorization.k8s.io", "subjectaccessreviews", "")],
    "rollout-controller": [
        ("delete", "serving.kserve.io", "inferenceservices", ""),
        ("patch", "gateway.networking.k8s.io", "httproutes", ""),
        ("create", "policy", "poddisruptionbudgets", ""),
        ("list", "", "pods", ""),
        ("patch", "coordination.k8s.io", "leases", "isogloss-rollout-controller"),
        ("get", "", "nodes", ""),
    ],
}
FORBIDDEN = {
    "registry-proxy": [
        ("list", "isogloss.dev", "admittedversions", ""),
        ("delete", "isogloss.dev", "admittedversions", "isogloss-admitted"),
        ("patch", "gateway.networking.k8s.io", "httproutes", ""),
        ("get", "", "configmaps", ""),
        ("list", "", "pods", ""),
    ],
    "drift-monitor": [("get", "isogloss.dev", "admittedversions", "isogloss-admitted")],
    "rollout-controller": [
        ("patch", "isogloss.dev", "admittedversions", "isogloss-admitted"),
        ("patch", "isogloss.dev", "servedmodels", ""),
        ("patch", "coordination.k8s.io", "leases", "other"),
    ],
    "predictor": [("get", "isogloss.dev", "servedmodels", "")],
    "gate": [("get", "", "configmaps", "")],
    "operator": [("create", "authentication.k8s.io", "tokenreviews", "")],
}
FORBIDDEN_TO_ALL = [
    ("get", "", "secrets", ""),
    ("create", "", "pods", ""),
    ("create", "", "pods/exec", ""),
    ("create", "", "serviceaccounts/token", ""),
    ("patch", "apps", "deployments", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
]
ROLES = {
    "operator": {"viewer", "operator", "trainer"},
    "trainer": {"viewer", "trainer"},
    "gate": {"viewer", "gate"},
    "predictor": {"viewer", "predictor"},
    "registry-proxy": {"viewer"},
    "drift-monitor": {"viewer", "drift-monitor"},
    "rollout-controller": {"viewer", "rollout-controller"},
    "keys": set(),
    "mlflow": set(),
}


def allowed(release, name, wishes, namespace=None):
    """Return those of the (verb, group, resource, name) that the API server lets an account do."""
    version = "authorization.k8s.io/v1"
    items = []
    for verb, group, resource, which in wishes:
        plain, _, part = resource.partition("/")
        wish = {"namespace": namespace or release.namespace, "verb": verb, "group": group}
        wish |= {"resource": plain, "subresource": part, "name": which}
        spec = {"user": release.account(name), "resourceAttributes": wish}
        items.append({"apiVersion": version, "kind": "SubjectAccessReview", "spec": spec})
    document = {"apiVersion": "v1", "kind": "List", "items": items}
    told = kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed} ", document=document)
    return [wish for wish, yes in zip(wishes, told.split(), strict=True) if yes == "true"]


@pytest.mark.parametrize("name", NEEDED)
def test_an_account_may_do_what_it_needs(release, name):
    assert allowed(release, name, NEEDED[name]) == NEEDED[name]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_an_account_may_do_nothing_else(release, name):
    assert not allowed(release, name, [*FORBIDDEN[name], *FORBIDDEN_TO_ALL])


@pytest.mark.parametrize("name", NEEDED)
def test_an_account_has_no_rights_in_other_namespaces(release, name):
    wishes = [wish for wish in NEEDED[name] if wish[2] in {"pods", "httproutes", "leases"}]
    others = [("get", "", "configmaps", ""), ("list", "", "services", ""), *wishes]
    assert not allowed(release, name, others, namespace="default")


@pytest.mark.parametrize("name", ROLES)
def test_an_account_may_call_our_services_as_its_roles_only(release, name):
    every = sorted(set.union(*ROLES.values()))
    wishes = [("act", "isogloss.dev", "callers", role) for role in every]
    assert {role for _, _, _, role in allowed(release, name, wishes)} == ROLES[name]


def served_models(specs):
    kind = {"apiVersion": "isogloss.dev/v1alpha1", "kind": "ServedModel"}
    items = [
        {**kind, "metadata": {"name": f"spec-{number}-of"}, "spec": spec}
        for number, spec in enumerate(specs)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def try_all(release, document):
    # The API server judges, not kubectl, which would give up all at the first.
    flags = ("--dry-run=server", "--validate=false")
    return refusal(release.kubectl, "create", *flags, "-f", "-", document=document)


def test_the_api_server_takes_what_a_laptop_takes(release):
    assert try_all(release, served_models(SPECS["taken"])) is None


def test_the_api_server_refuses_what_a_laptop_refuses(release):
    specs = [*SPECS["refused"], *SPECS["cel"]]
    refused = try_all(release, served_models(specs))
    taken = [spec for number, spec in enumerate(specs) if f'"spec-{number}-of"' not in refused]
    assert not taken


@pytest.mark.parametrize("name", ["9-lives", "a" * 43, "dot.ted"])
def test_a_name_that_no_predictor_could_have_is_refused(release, name):
    document = served_models([{}])
    document["items"][0]["metadata"]["name"] = name
    assert "metadata.name" in try_all(release, document)


def test_helm_test_finds_every_service_ready(release):
    helm("test", release.name, "--namespace", release.namespace, "--timeout", "3m")


REACHES = """
import json, sys, time, urllib.request
def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=3).status == 200
    except OSError:
        return False
for _ in range(60):
    told = [answers(url) for url in sys.argv[1:]]
    if told == [True, False]:
        break
    time.sleep(1)
print(json.dumps(told))
"""
"""A NetworkPolicy reaches a new pod a moment after it starts."""


def test_who_trains_reaches_the_door_to_mlflow_but_not_mlflow(release):
    labels = {"name": "isogloss", "instance": release.name, "component": "trainer"}
    metadata = {
        "name": "reaches",
        "labels": {f"app.kubernetes.io/{key}": value for key, value in labels.items()},
    }
    asked = ("registry-proxy:8100", "mlflow:5000")
    urls = [f"http://{release.name}-{name}/health" for name in asked]
    image = {"name": "reaches", "image": f"{REPOSITORY}/registry-proxy:{TAG}"}
    runs = {"command": ["python", "-c", REACHES, *urls], "imagePullPolicy": "IfNotPresent"}
    spec = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 999,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{**image, **runs, "securityContext": RESTRICTED}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    release.kubectl("create", "-f", "-", document=pod)
    try:
        ended = {"Succeeded", "Failed"}
        eventually(lambda: release.get("pod", "reaches")["status"].get("phase") in ended, 120)
        assert json.loads(release.kubectl("logs", "reaches")) == [True, False]
    finally:
        release.kubectl("delete", "pod", "reaches", "--wait=false")


def previous_chart(folder):
    """Package the chart's version before today's; the first one, under an earlier number."""
    path, today = "charts/isogloss", version_at("HEAD")
    commits = git("log", "--format=%H", "--", f"{path}/Chart.yaml").split()
    earlier = next((each for each in commits if version_at(each) != today), None)
    if earlier is None:
        helm("package", str(ROOT / path), "--version", "0.0.1", "--destination", str(folder))
    else:
        archive = subprocess.run(
            ["git", "-C", ROOT, "archive", earlier, path, "monitoring"],  # noqa: S607 - the PATH's
            capture_output=True,
            check=True,
        )
        subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)  # noqa: S607
        helm("package", str(folder / path), "--destination", str(folder))
    return next(folder.glob("*.tgz"))


def git(*arguments):
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def version_at(commit):
    return yaml.safe_load(git("show", f"{commit}:charts/isogloss/Chart.yaml"))["version"]


def test_an_upgrade_from_the_previous_version_can_be_rolled_back(release):
    write = {"metadata": {"labels": {"seen": "before"}}}
    release.kubectl(
        "patch",
        "admittedversions",
        f"{release.name}-admitted",
        "--type=merge",
        "-p",
        json.dumps(write),
    )
    before = release.get("admittedversions", f"{release.name}-admitted").get("data")
    keys = release.get("secret", f"{release.name}-gate-key")["metadata"]["uid"]
    with tempfile.TemporaryDirectory() as folder:
        release.upgrade(chart=previous_chart(Path(folder)))
    release.upgrade()
    where = ("--namespace", release.namespace)
    helm("rollback", release.name, *where, "--wait", "--timeout", "6m")
    release.upgrade()
    assert release.get("admittedversions", f"{release.name}-admitted").get("data") == before
    assert release.get("secret", f"{release.name}-gate-key")["metadata"]["uid"] == keys


def test_an_upgrade_that_cannot_start_is_taken_back_and_the_old_pods_go_on(release):
    def serving():
        pods = release.get("pod", **{"app.kubernetes.io/component": "rollout-controller"})
        return {
            pod["metadata"]["uid"]
            for pod in pods["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and {"type": "Ready", "status": "True"}.items()
            <= next(c for c in pod["status"]["conditions"] if c["type"] == "Ready").items()
        }

    before = serving()
    with pytest.raises(AssertionError):
        release.upgrade(
            "--set=rolloutController.image.tag=none", "--rollback-on-failure", "--timeout=20s"
        )
    assert before
    assert before <= serving()
