# ruff: noqa: INP001 - a script, not a package
"""How often the rules of live traffic are wrong, and how soon right: `make bench-rollouts`.

Rollouts are simulated with pairs of a known true rate and judged by the code that judges real
ones, looked at every so many requests, as a Rollout is. Beside it, on the same pairs, the two rules
that others use: the raw rate over 1.25 times the limit, and a one-sided z-test at every look.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from math import inf, log, sqrt

import numpy as np
from bars import Bar, Report, tell
from live_rules import measure_accuracy, measure_errors_apart, measure_latency, measure_slices

from stats.confidence_sequences import PRIOR_STRENGTH, beta_binomial_log_e

LONGEST = 20_000
ALPHA = 0.05
Z_ONE_SIDED = 1.645
SEED = 20_220_514

Rule = Callable[[int, int, float], bool | None]
"""(bad, n, limit) -> True: FAIL, False: PASS, None: go on."""


def confidence_sequence(bad: int, n: int, limit: float) -> bool | None:
    """Decide as a Gate does: the limit lies outside the interval, above or below."""
    if beta_binomial_log_e(bad, n, limit) < log(1 / ALPHA):
        return None
    return bad / n > limit


def raw_threshold(bad: int, n: int, limit: float) -> bool | None:
    """Decide as a threshold on the last reading does."""
    return True if bad / n > 1.25 * limit else None


def z_test(bad: int, n: int, limit: float) -> bool | None:
    """Decide as a test made for one look does, at every look."""
    return True if (bad / n - limit) / sqrt(limit * (1 - limit) / n) > Z_ONE_SIDED else None


def simulated(rate: float, every: int, runs: int) -> Iterator[np.ndarray]:
    """Yield the counts of bad pairs at every look of each run."""
    random = np.random.default_rng(SEED)
    for _ in range(runs):
        yield random.binomial(every, rate, LONGEST // every).cumsum()


def decided(rule: Rule, bad: np.ndarray, every: int, limit: float) -> tuple[float, bool | None]:
    """Return (pairs until the first decision, the decision)."""
    for look, count in enumerate(bad, start=1):
        outcome = rule(int(count), look * every, limit)
        if outcome is not None:
            return look * every, outcome
    return inf, None


def false_fails(rule: Rule, limit: float, runs: int) -> float:
    """Return the percentage of versions exactly at the limit that are failed."""
    ends = (decided(rule, bad, 100, limit) for bad in simulated(limit, 100, runs))
    return 100 * sum(outcome is True for _, outcome in ends) / runs


def pairs_needed(rate: float, limit: float, runs: int, *, fail: bool) -> float:
    """Return the median of pairs until the right decision; a wrong or no decision never ends."""
    every = 10
    ends = [decided(confidence_sequence, bad, every, limit) for bad in simulated(rate, every, runs)]
    return float(np.median([pairs if outcome is fail else inf for pairs, outcome in ends]))


def measure_errors(report: Report, runs: int) -> list[Bar]:
    """Judge versions exactly at the limit, looking every 100 pairs."""
    bars = []
    for limit in (0.02, 0.05):
        tell(f"a version exactly at a limit of {limit:.0%}, {runs} Rollouts")
        what = f"% of versions exactly at a limit of {limit:.0%} that FAIL within {LONGEST:,} pairs"
        name = f"false-fail-{limit:.0%}".rstrip("%")
        ours = false_fails(confidence_sequence, limit, runs)
        bars.append(report.at_most(name, f"{what}: ours, k = {PRIOR_STRENGTH:g}", 1, ours))
        for other, rule in (("raw threshold", raw_threshold), ("z-test", z_test)):
            value = false_fails(rule, limit, runs)
            bars.append(
                report.shown(f"{name}-{other.replace(' ', '-')}", f"{what}: {other}", value)
            )
    return bars


def measure_pairs(report: Report, runs: int) -> list[Bar]:
    """Count how many pairs a limit of 5 % needs for clear cases."""
    bars = []
    cases = [(0.08, 900, True), (0.10, 350, True), (0.20, 120, True)]
    cases += [(0.01, 350, False), (0.02, 650, False)]
    for rate, bar, fail in cases:
        verdict = "FAIL" if fail else "PASS"
        tell(f"pairs to {verdict} at a true rate of {rate:.0%}")
        what = f"pairs (median) to {verdict}: a limit of 5%, a true rate of {rate:.0%}"
        value = pairs_needed(rate, 0.05, runs, fail=fail)
        bars.append(report.at_most(f"{verdict.lower()}-at-{rate * 100:g}", what, bar, value))
    return bars


def main() -> None:
    """Simulate, write, and exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="make bench-rollouts", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="simulated Rollouts a row")
    runs = parser.parse_args().runs
    report = Report("rollouts", "make bench-rollouts", {"numpy": np.__version__}, time.time())
    rates, others = (
        (measure_errors, measure_pairs),
        (
            measure_accuracy,
            measure_errors_apart,
            measure_latency,
            measure_slices,
        ),
    )
    bars: list[Bar] = []
    for measure in (*rates, *others):
        # A look at the others costs ten times as much; half as many runs still tell 1 % from 5 %.
        bars += measure(report, runs if measure in rates else runs // 2)
        report.save(report.merged(bars))
    sys.exit(not report.write(report.merged(bars)))


if __name__ == "__main__":
    main()
