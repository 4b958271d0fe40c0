# ruff: noqa: INP001 - a script, not a package
"""What a killed controller costs, at every boundary of every story: `make chaos`.

The tests under tests/chaos measure; here they are run whole, in three parts, and what they report
becomes the bars. The first part counts the seconds of its own clock, in which a look at a model
takes none and its interval one; the second is the process itself, killed by SIGKILL beside a real
registry-proxy, a real Envoy and callers.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from bars import RESULTS, Bar, Report, tell

ROOT = RESULTS.parents[1]
PARTS = {
    "boundaries": "test_every_boundary.py",
    "processes": "test_killed_for_good.py",
    "away": "test_what_is_away.py",
}
LIMIT_SECONDS = 10


@dataclass(frozen=True)
class Ran:
    """The tests of one part: how many, how many did not pass, and what they reported by name."""

    tests: int
    failed: int
    reported: dict[str, list[float]]

    def worst(self) -> float | None:
        """Return the longest time until all was consistent; None where one was not seen to be."""
        return max(self.reported.get("seconds", []), default=None)

    def total(self, name: str) -> int:
        """Add up what was reported under a name."""
        return int(sum(self.reported.get(name, [])))


def main() -> None:
    """Run the parts, write after each, and exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="tests at once")
    chosen = parser.parse_args()
    report = Report("chaos", "make chaos", {}, time.time())
    bars: list[Bar] = []
    for part, measured in (("boundaries", _boundaries), ("processes", _processes), ("away", _away)):
        if chosen.only in (None, part):
            # What is timed by the wall runs alone.
            workers = 1 if part == "processes" else chosen.workers
            bars += measured(report, run(PARTS[part], workers))
            report.save(report.merged(bars))
    sys.exit(not report.write(report.merged(bars)))


def run(file: str, workers: int) -> Ran:
    """Run one file of tests/chaos whole."""
    with tempfile.TemporaryDirectory() as made:
        result = Path(made) / "result.xml"
        command = [sys.executable, "-m", "pytest", f"tests/chaos/{file}", "-q", "-n", str(workers)]
        tell(" ".join(command[1:]))
        environment = {**os.environ, "ISOGLOSS_CHAOS": "yes"}
        subprocess.run([*command, f"--junitxml={result}"], cwd=ROOT, env=environment, check=False)
        return read_result(ET.parse(result).getroot())  # noqa: S314 - pytest has just written it


def read_result(root: ET.Element) -> Ran:
    """Read pytest's report."""
    cases = list(root.iter("testcase"))
    failed = [
        each
        for each in cases
        if any(each.find(kind) is not None for kind in ("failure", "error", "skipped"))
    ]
    reported: dict[str, list[float]] = {}
    for each in root.iter("property"):
        reported.setdefault(each.attrib["name"], []).append(float(each.attrib["value"]))
    return Ran(len(cases), len(failed), reported)


def _boundaries(report: Report, ran: Ran) -> list[Bar]:
    tried = len(ran.reported.get("seconds", []))
    told = "a fault (killed, failed, answer lost) at a boundary between two deeds"
    return [
        report.shown(
            "boundaries", f"boundaries tried, over {ran.tests} stories with each fault", tried
        ),
        report.at_most(
            "boundaries-failed",
            "of them stories that ended otherwise than undisturbed, with a user who could not be "
            "answered, or with a ledger that does not verify",
            0,
            ran.failed,
        ),
        report.at_most(
            "boundaries-seconds",
            f"most s (of its own clock) from {told} to one consistent state",
            LIMIT_SECONDS,
            ran.worst(),
        ),
    ]


def _processes(report: Report, ran: Ran) -> list[Bar]:
    times = sorted(ran.reported.get("seconds", []))
    kills, requests = ran.total("kills"), ran.total("requests")
    middle = times[len(times) // 2] if times else None
    return [
        report.shown("kills", "SIGKILLs of the real process, at each of its deeds once", kills),
        report.at_most(
            "kill-seconds",
            "most s from a SIGKILL and a restart to one consistent state",
            LIMIT_SECONDS,
            ran.worst(),
        ),
        report.shown("kill-median-seconds", "median of that", middle),
        report.at_most(
            "kill-failed-requests",
            f"failed of {requests} requests through Envoy meanwhile",
            0,
            ran.total("failed") if requests else None,
        ),
        report.at_most(
            "kill-failed", f"failed of {ran.tests} Rollouts so disturbed", 0, ran.failed
        ),
    ]


def _away(report: Report, ran: Ran) -> list[Bar]:
    what = "a neighbour, the route, the journal or the disk away in a Phase"
    return [
        report.at_most("away-failed", f"failed of {ran.tests} tests with {what}", 0, ran.failed)
    ]


if __name__ == "__main__":
    main()
