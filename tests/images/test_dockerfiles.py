"""What every Dockerfile holds to; what the images then hold, tests/cluster/test_images.py asks."""

import json
import re
import subprocess
import sys

import pytest


def values(instructions, keyword):
    return [rest for found, rest in instructions if found == keyword]


def test_the_base_image_is_an_argument_and_every_stage_starts_from_it(any_dockerfile):
    before, *_ = any_dockerfile.instructions
    starts = [rest.split(" ")[0] for rest in values(any_dockerfile.instructions, "FROM")]

    assert before == ("ARG", "BASE_IMAGE=python:3.11-slim")
    arguments = {"${BASE_IMAGE}", "${TRAINING_IMAGE}"}
    assert set(starts) <= arguments | set(any_dockerfile.stages)


def test_nothing_is_added_from_an_address_and_no_stage_is_another_image(any_dockerfile):
    sources = [
        match[1]
        for rest in values(any_dockerfile.instructions, "COPY")
        if (match := re.match(r"--from=(\S+)", rest))
    ]

    assert not values(any_dockerfile.instructions, "ADD")
    assert set(sources) <= set(any_dockerfile.stages)


def test_every_image_runs_as_999_and_what_it_is_for(any_dockerfile):
    package = any_dockerfile.folder.name.replace("-", "_").replace("cli", "isogloss")
    for image in any_dockerfile.images:
        instructions = any_dockerfile.all_of(image)
        assert values(instructions, "USER") == ["999:999"]
        (entrypoint,) = values(instructions, "ENTRYPOINT")
        assert json.loads(entrypoint) in (
            ["python", "-m", package],
            ["cp", "--recursive", "/project/.", "/workspace"],
        )


def test_labels_say_what_the_project_says(dockerfile):
    for image in dockerfile.images:
        labels = dict(
            re.findall(
                r'org\.opencontainers\.image\.(\w+)="([^"]*)"',
                " ".join(values(dockerfile.all_of(image), "LABEL")),
            )
        )
        assert labels == {
            "title": dockerfile.folder.name,
            "description": dockerfile.project["description"],
            "version": dockerfile.project["version"],
            "licenses": dockerfile.project["license"],
            "revision": "${REVISION}",
            "source": "${SOURCE}",
        }


def test_an_image_gets_the_builders_results_and_nothing_of_the_tree(dockerfile):
    for image in dockerfile.images:
        copies = [copy.split(" ") for copy in values(dockerfile.all_of(image), "COPY")]
        assert [copy[1:] for copy in copies] == [
            ["/opt/isogloss", "/opt/isogloss"],
            ["/opt/members", "/opt/isogloss"],
            ["/opt/sbom", "/usr/share/sbom"],
        ]
        assert all(copy[0].startswith("--from=") for copy in copies)


def test_a_code_change_installs_no_dependency_again(dockerfile):
    """What changes with a commit is copied behind everything that takes long."""
    for image in dockerfile.images:
        keywords = [keyword for keyword, _ in dockerfile.all_of(image)]
        last_copy = max(i for i, keyword in enumerate(keywords) if keyword == "COPY")
        assert keywords[last_copy + 1 :] == ["ARG", "ARG", "LABEL"]  # the commit
    installs = [
        (stage, index)
        for stage in dockerfile.stages
        for index, (keyword, rest) in enumerate(dockerfile.all_of(stage))
        if keyword == "RUN" and "stage.sh dependencies" in rest
    ]
    assert installs
    for stage, index in installs:
        copied = " ".join(values(dockerfile.all_of(stage)[:index], "COPY"))
        assert "libs/" not in copied
        assert f" {dockerfile.folder} " not in copied


def test_what_is_built_is_the_project_and_the_libraries_it_needs(dockerfile, root):
    (built,) = [
        re.search(r"members (.*?)(?: &&|$)", rest)[1].split()
        for rest in values(dockerfile.instructions, "RUN")
        if "stage.sh members" in rest
    ]
    needed = {
        f"libs/{name.removeprefix('isogloss-')}"
        for name in (re.match(r"[\w-]+", line)[0] for line in dockerfile.project["dependencies"])
        if name.startswith("isogloss-")
    }
    copied = [copy.split(" ")[0] for copy in values(dockerfile.instructions, "COPY")]

    assert set(built) == needed | {str(dockerfile.folder)}
    assert set(built) <= set(copied)
    assert all((root / folder).is_dir() for folder in built)


def test_every_dockerfile_prepares_the_image_in_the_same_words(root):
    """Docker has no way to share them: they stand in each, and must be changed in all."""
    prepared = {
        re.search(r"# Some libraries ask.*?(?=ENTRYPOINT)", path.read_text(), re.DOTALL)[0]
        for path in [*root.glob("*/Dockerfile"), *root.glob("services/*/Dockerfile")]
    }

    assert len(prepared) == 1


@pytest.mark.parametrize("pattern", ["**/tests", "**/*.so", "**/*.pyc", "**/.*"])
def test_tests_and_what_was_built_here_never_reach_a_builder(root, pattern):
    kept = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert next(line for line in kept if not line.startswith("#")) == "*"
    assert pattern in kept[kept.index("!libs/") :]


def test_every_image_can_be_built_by_name(root):
    listed = subprocess.run(
        [root / "scripts/images.sh", "build", "none"], capture_output=True, text=True, check=False
    )

    assert listed.returncode == 1
    assert set(listed.stderr.rpartition("there are: ")[2].split()) == {
        *(
            "inference",
            "inference-sklearn",
            "inference-encoder",
            "training-jobs-encoder",
            "registry-proxy",
            "drift-monitor",
        ),
        *("rollout-controller", "training-jobs-sklearn", "training-jobs", "cli"),
        "example-sentiment",
    }


DPKG_STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Description: GNU C Library
 with a second line

Package: removed
Status: deinstall ok config-files
Architecture: all
Version: 1:1.0
"""


def test_the_sbom_lists_what_is_installed_with_versions_and_licences(root, tmp_path):
    (tmp_path / "status").write_text(DPKG_STATUS)
    script = [sys.executable, root / "scripts/images/sbom.py", "isogloss-inference"]
    said = subprocess.run(
        [*script, tmp_path / "status", sys.prefix], capture_output=True, check=True
    )
    document = json.loads(said.stdout)
    purls = {component["purl"] for component in document["components"]}
    (numpy,) = [c for c in document["components"] if c["name"] == "numpy"]

    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/isogloss-inference@0.1.0"
    assert "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64" in purls
    assert not [purl for purl in purls if "removed" in purl]
    assert [purl for purl in purls if purl.startswith("pkg:generic/python@3.11.")]
    assert numpy["purl"] == f"pkg:pypi/numpy@{numpy['version']}"
    assert "BSD-3-Clause" in numpy["licenses"][0]["expression"]
    assert len(purls) == len(document["components"])
