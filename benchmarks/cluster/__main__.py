"""Measures Isogloss on the cluster that KUBECONFIG names: `make bench-cluster`.

Installs a release of its own, brings two versions there, measures, and removes all of it.
"""

import argparse
import json
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence

from bars import Bar, Report, tell
from changes import measure_changes
from idle import measure_idle
from phases import BAD_DAYS, measure_phases
from practices import measure_practices
from rollbacks import measure_rollbacks
from shadows import measure_shadows
from stage import Stage, set_up

from kube import kubectl

CONTROLLERS = {
    "kserve": "kserve/kserve-controller-manager",
    "gateway": "envoy-gateway/envoy-gateway",
}

Part = Callable[[Report, Stage], Iterable[Bar]]
"""What a part had measured when it broke is kept."""


def parts(tries: int, bad_days: Sequence[str]) -> Mapping[str, Part]:
    """Return what is measured, by name."""
    return {
        "idle": measure_idle,
        "changes": measure_changes,
        "rollbacks": lambda report, stage: measure_rollbacks(report, stage, tries),
        "shadows": measure_shadows,
        "phases": lambda report, stage: measure_phases(report, stage, bad_days),
        "practices": lambda report, _stage: measure_practices(report),
    }


def versions() -> Mapping[str, str]:
    """Return what the cluster says of itself, and the images of what Isogloss stands on."""
    server = json.loads(kubectl("version", "--output", "json"))["serverVersion"]["gitVersion"]
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    images = {
        name: kubectl("get", "deployment", place[1], "--namespace", place[0], "--output", path)
        for name, place in ((n, p.split("/")) for n, p in CONTROLLERS.items())
    }
    return {"kubernetes": server, **images}


def main() -> None:
    """Measure what was chosen, write, and exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="make bench-cluster", description=__doc__)
    parser.add_argument("--tries", type=int, default=30, help="rollbacks that are timed")
    parser.add_argument(
        "--only",
        nargs="*",
        choices=list(parts(0, ())),
        help="only these parts; the others' results stay",
    )
    parser.add_argument(
        "--bad-days",
        nargs="*",
        default=list(BAD_DAYS),
        choices=list(BAD_DAYS),
        metavar="NAME",
        help=f"of phases only these: {', '.join(BAD_DAYS)}",
    )
    chosen = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # also in the background: it is all taken down
        signal.signal(number, signal.default_int_handler)
    report = Report("cluster", "make bench-cluster", versions(), time.time())
    with set_up() as stage:
        what = "seconds from helm install to the first prediction through the gateway"
        bars = [report.at_most("first-answer", what, 300, stage.first_answer_seconds)]
        broken = []
        measured = parts(chosen.tries, chosen.bad_days)
        for name in chosen.only or measured:
            tell(f"measuring {name}")
            try:
                for bar in measured[name](report, stage):
                    bars.append(bar)
                    report.save(report.merged(bars))  # what comes before a fault or Ctrl-C stays
            except Exception:  # noqa: BLE001 - whatever breaks one part, the others are measured
                traceback.print_exc()
                broken.append(name)
    met = report.write(report.merged(bars))
    if broken:
        sys.exit(f"not measured, see above: {', '.join(broken)}")
    sys.exit(not met)


if __name__ == "__main__":
    main()
