"""skaffold.yaml builds every image and sets values that the chart has; its own schema is asked in
tests/system.
"""

import yaml

RELEASE = "/deploy/helm/releases/1"


def value_at(document, path):
    """Follow a dotted path of values, which ends in a name that need not be there yet."""
    *folders, name = path.split(".")
    for folder in folders:
        document = document[folder]
    return document, name


def test_every_dockerfile_is_built_from_the_root_and_every_artifact_has_one(skaffold, root):
    found = [*root.glob("*/Dockerfile"), *root.glob("*/*/Dockerfile")]
    dockerfiles = {str(path.relative_to(root)) for path in found}
    artifacts = skaffold["build"]["artifacts"]
    assert {each["docker"]["dockerfile"] for each in artifacts} == dockerfiles
    assert not [each for each in artifacts if each.get("context", ".") != "."]


def test_a_target_or_build_argument_stands_in_the_dockerfile(skaffold, root):
    for each in skaffold["build"]["artifacts"]:
        text = (root / each["docker"]["dockerfile"]).read_text()
        if target := each["docker"].get("target"):
            assert f" AS {target}\n" in text
        for required in each.get("requires", []):
            assert f"ARG {required['alias']}=" in text


def test_every_value_that_is_set_is_one_of_the_charts(skaffold, values):
    release = skaffold["deploy"]["helm"]["releases"][1]
    for path in [*release["setValues"], *release["setValueTemplates"]]:
        folder, name = value_at(values, path)
        assert name in folder, path


def test_every_image_of_the_chart_is_one_that_was_built(skaffold, values):
    set_here = skaffold["deploy"]["helm"]["releases"][1]["setValueTemplates"]
    built = {each["image"].replace("/", "_").replace("-", "_") for each in images(skaffold)}
    parts = {name: part for name, part in values.items() if isinstance(part, dict)}
    # An image of somebody else's, such as PostgreSQL's, is named whole.
    with_image = {name for name, part in parts.items() if isinstance(part.get("image"), dict)}
    for name in with_image:
        for part, word in (("repository", "REPO"), ("tag", "TAG"), ("digest", "DIGEST")):
            template = set_here[f"{name}.image.{part}"]
            assert template.strip("{}").removeprefix(f".IMAGE_{word}_") in built, name
    assert "jobs.project.image" in set_here


def images(skaffold):
    return skaffold["build"]["artifacts"]


def test_verify_asks_what_helm_test_asks(skaffold, root):
    (verify,) = skaffold["verify"]
    path = verify["executionMode"]["kubernetesCluster"]["jobManifestPath"]
    job = yaml.safe_load((root / path).read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    asked = verify["container"]
    assert asked["name"] == container["name"]
    assert asked["command"] == container["command"]
    assert asked["args"] == container["args"]
    assert asked["image"] in {each["image"] for each in images(skaffold)}
    assert job["metadata"]["labels"], "skaffold adds one, and fails where there are none"


def test_profiles_change_what_is_there(skaffold, values):
    release = skaffold["deploy"]["helm"]["releases"][1]
    assert [each["name"] for each in skaffold["profiles"]] == ["local", "kind", "production"]
    for profile in skaffold["profiles"]:
        for patch in profile.get("patches", []):
            if not patch["path"].startswith(RELEASE):
                continue
            where, key = patch["path"].removeprefix(f"{RELEASE}/").split("/")
            assert (key in release[where]) == (patch["op"] != "add"), patch
            folder, name = value_at(values, key)
            assert name in folder, patch


def test_the_local_profile_leaves_no_image_that_nothing_is_made_of(skaffold):
    local = skaffold["profiles"][0]
    (removed,) = [each["path"] for each in local["patches"] if each["op"] == "remove"]
    artifact = images(skaffold)[int(removed.removeprefix("/build/artifacts/"))]
    assert artifact["image"] == "isogloss/training-jobs"
    set_here = dict(skaffold["deploy"]["helm"]["releases"][1]["setValueTemplates"])
    for patch in local["patches"]:
        if patch["op"] == "replace":
            set_here[patch["path"].split("/")[-1]] = patch["value"]
    assert not [each for each in set_here.values() if each.endswith("isogloss_training_jobs}}")]
