"""Tests that need programs beside Python: `make test-system` fetches or builds them, by pins.

They are collected only when it sets ISOGLOSS_SYSTEM, so that `make test` runs on a bare machine.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from postgresql_server import postgresql_server

ROOT = Path(__file__).resolve().parents[2]

# The chart as it is, and with everything on that is off by default; both with Helm's test.
VARIANTS = {
    "default": [f"--values={ROOT}/manifests/base/values.yaml"],
    "everything": [
        "--set=requireClusterApis=false",
        "--set=gateway.create=true,gateway.className=envoy",
        "--set=rolloutController.autoscaling.enabled=true",
        "--set=metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true",
        "--set=metrics.prometheusRule.enabled=true,metrics.dashboards.enabled=true",
        "--set=apiRoutes.enabled=true,apiRoutes.hostnames.registryProxy={registry.example}",
    ],
}

collect_ignore_glob = [] if os.environ.get("ISOGLOSS_SYSTEM") else ["test_*.py"]


def run(*command, **options):
    """Run a program; its whole output is in the failure when it fails."""
    answer = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": sys.executable},
        **options,
    )
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


@pytest.fixture(name="run", scope="session")
def run_program():
    return run


@pytest.fixture(scope="session")
def root():
    return ROOT


def program(name):
    return run(ROOT / "tests/cluster/program.sh", name).splitlines()[-1]


@pytest.fixture(scope="session")
def promtool():
    return program("promtool")


@pytest.fixture(scope="session")
def helm():
    return program("helm")


@pytest.fixture(scope="session")
def checkov():
    return program("checkov")


@pytest.fixture(scope="session")
def clients():
    """Python with the clients of KServe and Triton."""
    return program("clients")


@pytest.fixture(scope="session")
def mlcroissant():
    """Python with the library that others read data sets with."""
    return program("mlcroissant")


@pytest.fixture(scope="session")
def postgresql():
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def skaffold_schema():
    return json.loads(Path(program("skaffold.json")).read_text())


@pytest.fixture(scope="session")
def rendered(helm, tmp_path_factory):
    """Return what both charts and manifests/ hold, rendered anew: everything that may be turned on
    is on, since what is off cannot be wrong.
    """
    folder = tmp_path_factory.mktemp("rendered")
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    render = ["template", "isogloss", ROOT / "charts/isogloss", "--namespace=isogloss"]
    for name, options in VARIANTS.items():
        (folder / f"{name}.yaml").write_text(stdout(helm, *render, *options))
    crds = stdout(helm, "template", "isogloss-crds", ROOT / "charts/isogloss-crds")
    (folder / "crds.yaml").write_text(crds)
    return folder


def stdout(*command):
    """Return what a program prints, without what it warns of."""
    answer = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
