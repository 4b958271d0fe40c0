"""What lies in manifests/ is well formed, complete and safe. That it is what the charts render to,
tests/system says; that an API server takes it, tests/cluster.
"""

import kubernetes_validate
import pytest
import yaml

WITHOUT_SCHEMA = {
    "apiextensions.k8s.io/v1",  # kubernetes-validate has no schema of a schema
    "gateway.envoyproxy.io/v1alpha1",
    "gateway.networking.k8s.io/v1",
    "isogloss.dev/v1alpha1",  # ours, whose schema is charts/isogloss-crds
    "monitoring.coreos.com/v1",
    "serving.kserve.io/v1alpha1",
}
OF_KUBERNETES = {
    "admissionregistration.k8s.io",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
}
OLDEST, USED, NEWEST = "1.31", "1.34", "1.37"


@pytest.mark.parametrize("version", [OLDEST, USED, NEWEST])
def test_every_object_of_kubernetes_fits_its_schema(objects, version):
    own = [each for _, each in objects if each["apiVersion"] not in WITHOUT_SCHEMA]
    for each in own:
        kubernetes_validate.validate(each, version, strict=True)
    assert len(own) > 50


def test_only_these_apis_are_used_beside_kubernetes_own(objects):
    groups = {each["apiVersion"].rpartition("/")[0] for _, each in objects}
    own = {name for name in groups if "." not in name or name in OF_KUBERNETES}
    assert groups - own == {api.rpartition("/")[0] for api in WITHOUT_SCHEMA}


def test_a_kustomization_lists_every_file_beside_it(root):
    for path in root.glob("manifests/**/kustomization.yaml"):
        beside = {each.name for each in path.parent.glob("*.yaml")} - {path.name}
        assert set(yaml.safe_load(path.read_text())["resources"]) == beside


def test_nothing_stands_in_two_bases_or_components(objects):
    named = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for name, each in objects
        if not name.startswith("jobs/")
    ]
    assert len(named) == len(set(named))


def test_every_pod_may_run_where_pod_security_is_restricted(objects):
    pods = [spec for _, each in objects if (spec := pod_of(each))]
    assert len(pods) > 10
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"] + pod.get("initContainers", []):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]


def pod_of(each):
    match each["kind"]:
        case "Deployment" | "Job":
            return each["spec"]["template"]["spec"]
        case "CronJob":
            return each["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return None


def test_roles_of_people_are_bound_to_roles_that_exist_and_grant_no_wildcard(objects):
    roles = {each["metadata"]["name"] for _, each in objects if each["kind"] == "Role"}
    people = [each for name, each in objects if name == "rbac/people.yaml"]
    bindings = [each for each in people if each["kind"] == "RoleBinding"]
    assert {each["roleRef"]["name"] for each in bindings} <= roles
    for each in people:
        for rule in each.get("rules", []):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]


def test_kserve_is_set_up_as_in_the_test_cluster(root):
    ours = yaml.safe_load((root / "manifests/kserve/values.yaml").read_text())
    proven = yaml.safe_load((root / "tests/cluster/manifests/kserve-values.yaml").read_text())
    assert is_part_of(ours, proven)
    assert ours["kserve"]["controller"]["deploymentMode"] == "Standard"
    assert ours["kserve"]["controller"]["gateway"]["disableIngressCreation"] is True


def is_part_of(small, large):
    if isinstance(small, dict):
        return all(key in large and is_part_of(value, large[key]) for key, value in small.items())
    return small == large


def test_request_ids_are_the_gateways_and_one_envoy_may_be_away(objects):
    gateway = {each["kind"]: each for name, each in objects if name.startswith("gateway/")}
    policy = gateway["ClientTrafficPolicy"]["spec"]
    assert policy["headers"] == {"requestID": "Generate"}
    assert policy["targetRefs"][0]["name"] == gateway["Gateway"]["metadata"]["name"]
    kubernetes = gateway["EnvoyProxy"]["spec"]["provider"]["kubernetes"]
    assert kubernetes["envoyDeployment"]["replicas"] == 2
    assert kubernetes["envoyPDB"] == {"maxUnavailable": 1}


def test_a_job_says_in_capitals_what_must_be_filled_in(objects):
    jobs = {name: each for name, each in objects if name.startswith("jobs/")}
    assert set(jobs) == {
        f"jobs/{job}.yaml"
        for job in (
            "check-data",
            "train",
            "register",
            "report",
            "accept",
            "evaluate",
            "evaluate-first",
            "verify",
        )
    }
    words = {name: sorted({*words_in(each)}) for name, each in jobs.items()}
    assert {name: found for name, found in words.items() if found} == {
        "jobs/register.yaml": ["RUN"],
        "jobs/evaluate.yaml": ["BASELINE", "CANDIDATE"],
        "jobs/evaluate-first.yaml": ["CANDIDATE"],
    }


def words_in(job):
    pod = job["spec"]["template"]["spec"]
    for container in pod["containers"] + pod.get("initContainers", []):
        said = [*container.get("args", []), *(v.get("value", "") for v in container.get("env", []))]
        yield from {w for w in ("RUN", "CANDIDATE", "BASELINE") if any(ends(s, w) for s in said)}


def ends(text, word):
    return text == word or text.endswith(f"@{word}")
