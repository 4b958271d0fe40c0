"""Tests that need programs beside Python: `make test-system` fetches or builds them, by pins.

They are collected only when it sets ISOGLOSS_SYSTEM, so that `make test` runs on a bare machine.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

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
