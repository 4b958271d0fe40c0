# ruff: noqa: INP001 - a script, not a package
"""The ledger at its bars: conflicting promotions, and a kill at every boundary between two writes.

On SQLite and on a real PostgreSQL (Debian's package), with what tests/system uses, at full size.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bars import Bar, Report, tell

ROOT = Path(__file__).resolve().parents[1]
SUPPORT = ROOT / "tests/system/support"
sys.path.insert(0, str(SUPPORT))

from contention import contend  # noqa: E402 - it lies where the path above says
from postgresql_server import PostgresqlServer, postgresql_server, programs  # noqa: E402

CLIENTS, TRIES = 64, 200
DATABASES = ("sqlite", "postgresql")


def main() -> None:
    """Measure all, or what was asked for, write benchmarks/results/ledger.json and .md; exit 1
    where a bar is missed.
    """
    chosen = read_arguments()
    report = Report("ledger", "make bench-ledger", versions(), time.time())
    bars: list[Bar] = []
    for part in (promotions, kills):
        for database in DATABASES:
            if chosen.only in (None, part.__name__) and chosen.database in (None, database):
                bars += part(report, database)
                report.save(report.merged(bars))
    sys.exit(0 if report.write(report.merged(bars)) else 1)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("promotions", "kills"), help="one part")
    parser.add_argument("--database", choices=DATABASES, help="one database")
    return parser.parse_args()


def promotions(report: Report, database: str) -> list[Bar]:
    """Return the bars of 64 clients that promote on one sequence, 200 times."""
    tell(f"{CLIENTS} clients, {TRIES} tries on {database}")
    with folder() as place, server_for(database) as server:
        found = contend(place, CLIENTS, TRIES, server)
    other = sum(n for status, n in found.answers.items() if status not in (200, 409))
    wrong = other + (found.problem is not None) + (found.written != TRIES)
    return [
        report.at_least(
            f"one-winner-{database}",
            f"{database}: tries of {TRIES} in which exactly one of {CLIENTS} clients won",
            TRIES,
            found.one_winner,
        ),
        report.at_most(
            f"after-promotions-{database}",
            f"{database}: answers but 200 and 409, entries too many or few, chains broken",
            0,
            wrong,
        ),
    ]


def kills(report: Report, database: str) -> list[Bar]:
    """Return the bars of a process that is killed at each boundary."""
    tell(f"a kill at every boundary on {database}")
    with folder() as place:
        shim = place / "write_boundaries.so"
        compile_it = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(shim)]
        subprocess.run([*compile_it, str(SUPPORT / "write_boundaries.c")], check=True)
        done = subprocess.run(
            [sys.executable, SUPPORT / "kill_points.py", place, database],
            env=os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(SUPPORT)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    missed = sum(each["boundaries"] - each["kills"] for each in found.values()) if found else None
    what = f"{database}: boundaries of register, promote and rollback not survived whole"
    bars = [report.at_most(f"kills-{database}", what, 0, missed)]
    return bars + [
        report.shown(f"boundaries-{name}-{database}", f"{database}: kills in {name}", n["kills"])
        for name, n in found.items()
    ]


def versions() -> dict[str, str]:
    """Return the versions of what is measured."""
    postgres = subprocess.run(
        [f"{programs()}/postgres", "--version"], capture_output=True, text=True, check=True
    )
    return {"python": platform.python_version(), "postgresql": postgres.stdout.split()[2]}


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="isogloss-ledger-") as name:
        yield Path(name)


@contextmanager
def server_for(database: str) -> Iterator[PostgresqlServer | None]:
    """Run PostgreSQL, flushing to disk as in production, where it is that database's turn."""
    if database != "postgresql":
        yield None
        return
    with postgresql_server(durable=True) as server:
        yield server


if __name__ == "__main__":
    main()
