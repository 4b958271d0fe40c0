"""How fast users are away from a bad version, and that a bad shadow costs them nothing:
`make bench-rollbacks`.

The controller, Envoy and the load generator are the real processes, at their default settings; the
predictors are stand-ins that misbehave on purpose, and the ledger is the controller's tests' own,
because neither is on the way from a decision to the last request.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bars import Bar, Report
from goings_back import measure_controller
from shadows import measure_shadows

TRIES = 30
ROUNDS = 5


def main() -> None:
    """Measure, write after each part, and exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="make bench-rollbacks", description=__doc__)
    parser.add_argument("--only", choices=["controller", "shadows"], help="one part")
    parser.add_argument("--tries", type=int, default=TRIES, help="rollbacks by hand")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="loads with each mirror")
    chosen = parser.parse_args()
    report = Report("rollbacks", "make bench-rollbacks", {"envoy": "1.40.0"}, time.time())
    bars: list[Bar] = []
    with tempfile.TemporaryDirectory() as made:
        for part in ("controller", "shadows"):
            if chosen.only not in (None, part):
                continue
            directory = Path(made) / part
            directory.mkdir()
            if part == "controller":
                bars += measure_controller(report, directory, chosen.tries)
            else:
                bars += measure_shadows(report, directory, chosen.rounds)
            report.save(report.merged(bars))
    sys.exit(not report.write(report.merged(bars)))


if __name__ == "__main__":
    main()
