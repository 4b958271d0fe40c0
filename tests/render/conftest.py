"""The charts as Helm renders them, without a cluster: Helm itself comes out of pinned wheels."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/isogloss"
CI_VALUES = sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))
WORKLOADS = ("Deployment", "Job", "CronJob", "Pod")


@cache
def helm_program():
    """Return where Helm is, from the test cluster's cache; it is made there once."""
    made = subprocess.run(
        [ROOT / "tests/cluster/program.sh", "helm"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": sys.executable},
    )
    assert made.returncode == 0, made.stderr + made.stdout
    return made.stdout.splitlines()[-1]


def run_helm(*arguments):
    """Run helm; returns its exit code, what it printed and what it complained of."""
    command = [helm_program(), *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.returncode, answer.stdout, answer.stderr


@cache
def rendered_text(chart, *options):
    """Return what `helm template` prints for a release `isogloss` in namespace `models-prod`."""
    where = ("--namespace", "models-prod", "--kube-version", "1.34.0")
    code, printed, told = run_helm(
        "template", "isogloss", ROOT / "charts" / chart, *where, *options
    )
    assert code == 0, told
    return printed


@cache
def rendered(chart="isogloss", values="everything-values.yaml", *options):
    """Return the objects of a chart, rendered with a file of its ci folder."""
    given = ("--values", CHART / "ci" / values, "--set", "requireClusterApis=false")
    text = rendered_text(chart, *(given if chart == "isogloss" else ()), *options)
    return tuple(document for document in yaml.safe_load_all(text) if document)


def of_kind(documents, *kinds):
    """Return the objects of these kinds, by name."""
    return {
        document["metadata"]["name"]: document
        for document in documents
        if document["kind"] in kinds
    }


def pod_spec(workload):
    """Return the pod's spec of a Deployment, Job, CronJob or Pod."""
    spec = workload["spec"]
    if workload["kind"] == "Pod":
        return spec
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec["template"]["spec"]


def pods(documents):
    """Return every pod's spec by the name of what makes it."""
    return {name: pod_spec(each) for name, each in of_kind(documents, *WORKLOADS).items()}


def containers(pod):
    """Return all containers of a pod, init containers too."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


@pytest.fixture(params=CI_VALUES)
def every(request):
    """The chart, with each of its ci values in turn."""
    return rendered("isogloss", request.param)


@pytest.fixture(scope="session")
def everything():
    """The chart with all that can be switched on."""
    return rendered()


@pytest.fixture(scope="session")
def chart():
    """How the charts are looked at."""

    class Chart:
        root = ROOT
        folder = CHART
        ci_values = CI_VALUES
        rendered = staticmethod(rendered)
        rendered_text = staticmethod(rendered_text)
        helm = staticmethod(run_helm)
        of_kind = staticmethod(of_kind)
        pods = staticmethod(pods)
        containers = staticmethod(containers)

    return Chart
