"""Going back by hand from a version that all users have, and by itself from a bad canary."""

import math
import statistics
import time
from pathlib import Path

from bars import Bar, Report, tell
from processes import RATE, Users, until, users
from stage import Platform, platform

_TAKEN_OVER_SECONDS = 2
"""ServedModels are read every second."""
BAD_TRIES = 5
GOOD = tuple("sha256:" + digit * 64 for digit in "12")
FAILING = tuple(f"sha256:bad{n}" + "0" * 60 for n in range(BAD_TRIES))
SLOW = tuple(f"sha256:5100{n}" + "0" * 59 for n in range(BAD_TRIES))


def measure_controller(report: Report, directory: Path, tries: int) -> list[Bar]:
    """Measure what needs the controller."""
    with platform(directory, [*GOOD, *FAILING, *SLOW]) as on:
        with users(directory, on.service.gateway, "rollbacks") as load:
            until(lambda: load.of(GOOD[0]), "the first answers")
            bars = measure_by_hand(report, on, load, tries)
            counts = load.stop()
        what = f"failed of {counts['requests']} requests meanwhile"
        bars.append(report.at_most("rollback-failed", what, 0, counts["failures"]))
        tell(f"{counts['by_status']}, {counts['unanswered']}, not sent {counts['not_sent']}")
        what = "requests that the load generator could not send in time, meanwhile"
        bars.append(report.shown("rollback-not-sent", what, counts["not_sent"]))
        with users(directory, on.service.gateway, "canaries") as load:
            until(lambda: load.of(GOOD[0]), "the first answers")
            bars += measure_bad_canaries(report, on, load)
            counts = load.stop()
        others = counts["failures"] - sum(
            count
            for digest in FAILING
            for status, count in counts["versions"][digest]["by_status"].items()
            if status != "200"
        )
        what = f"failed of {counts['requests']} requests meanwhile, but for the bad versions' own"
        return [*bars, report.at_most("bad-canary-failed", what, 0, others)]


def measure_by_hand(report: Report, on: Platform, load: Users, tries: int) -> list[Bar]:
    """Go back from a version that all users got at once, again and again."""
    late, effects = [], []
    for attempt in range(tries):
        on.roll_out(2, "CANARY")
        until(lambda: on.service.ask("GET")["route"]["green"] == 100, "all users on the second")
        written = load.counts()["written_at"]
        until(lambda written=written: load.counts()["written_at"] > written, "users' counts")
        done = on.service.ask("POST", "/rollback", {"reason": "measured"})
        passed = done["decided_at"] + 1.5
        until(lambda passed=passed: load.counts()["written_at"] > passed, "users' counts")
        late.append((load.of(GOOD[1])["last_sent_at"] - done["decided_at"]) * 1000)
        effects.append(done["milliseconds"])
        tell(f"rollback {attempt + 1} of {tries}: last request {late[-1]:.0f} ms after")
        until(lambda: on.phase() == "ROLLED_BACK", "the record")
    what = f"ms from the decision to go back to the last request sent to the version left, {tries}"
    return [
        report.at_most("rollback-p99-ms", f"p99 of {what}", 250, percentile(late, 0.99)),
        report.shown("rollback-median-ms", f"median of {what}", statistics.median(late)),
        report.shown(
            "effect-median-ms",
            "median ms from the decision until the gateway says that it is in effect",
            statistics.median(effects),
        ),
    ]


def measure_bad_canaries(report: Report, on: Platform, load: Users) -> list[Bar]:
    """Give a tenth of the users a version that fails a quarter of its answers, or is too slow."""
    on.service.serve(canaryWeights=[10])
    time.sleep(_TAKEN_OVER_SECONDS)
    kinds = {"errors": (3, FAILING, "25 % errors"), "slow": (3 + BAD_TRIES, SLOW, "0.4 s each")}
    bars = []
    for name, (first, digests, said) in kinds.items():
        seconds = []
        for number, digest in enumerate(digests, first):
            began = on.roll_out(number, "CANARY", "ROLLED_BACK")[0]
            passed = time.time() + 1
            until(lambda passed=passed: load.counts()["written_at"] > passed, "users' counts")
            seconds.append(load.of(digest)["last_sent_at"] - began)
            tell(f"bad canary, {said}: {seconds[-1]:.2f} s until the last request was sent to it")
        what = f"s from a canary of 10 % at {RATE}/s with {said} to the last request sent to it"
        bars.append(report.at_most(f"bad-canary-{name}", f"worst {what}", 5, max(seconds)))
    return bars


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
