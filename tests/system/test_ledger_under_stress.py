"""The ledger when many ask at once, and when it is killed in the middle. `make bench-ledger` does
the same at full size.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contention import contend

SUPPORT = Path(__file__).parent / "support"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    return request.param


def test_of_conflicting_promotions_exactly_one_wins_each_time(database, request, tmp_path):
    server = request.getfixturevalue("postgresql") if database == "postgresql" else None

    found = contend(tmp_path, clients=32, rounds=10, server=server)

    assert found.one_winner == found.written == 10
    assert found.answers == {200: 10, 409: 310}
    assert found.problem is None


@pytest.mark.timeout(900)
def test_no_kill_between_two_writes_loses_doubles_or_damages_anything(database, tmp_path):
    shim = tmp_path / "write_boundaries.so"
    compiler = os.environ.get("CC", "cc")
    source = SUPPORT / "write_boundaries.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source], check=True)

    killed = subprocess.run(
        [sys.executable, SUPPORT / "kill_points.py", tmp_path, database, "4"],
        env=os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert killed.returncode == 0, killed.stderr
    found = json.loads(killed.stdout)
    assert set(found) == {"register", "promote", "rollback"}
    assert all(each["kills"] >= 3 for each in found.values()), found
