# ruff: noqa: INP001 - a script, not a package
"""How often the offline Gate is wrong, by simulation, and what its bootstrap costs.

Two models of 85 % accuracy on 3 balanced classes are drawn with a given share of discordant rows
(only one of them is right); then the candidate is made 3 points worse. Each pair is judged by the
Gate as the example's policy has it (macro-F1 not worse by 0.02, 2,000 resamples, alpha 5 %) and by
the rule that people write first: the candidate's macro-F1 is at least the incumbent's. Writes
results/gates.json and .md.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import sqrt

import numpy as np
from bars import Bar, Report, tell
from numpy.typing import NDArray

from lifecycle.gates import compare
from lifecycle.policies import NonInferior
from lifecycle.verdicts import Outcome
from stats.classification import Cells, macro_f1, macro_f1_difference_bounds

CLASSES, ACCURACY, DISCORDANCE, MARGIN, WORSE = 3, 0.85, 0.077, 0.02, 0.03
REFUSED = {300: 0.67, 1000: 0.27, 3000: 0.01}
ACCEPTED = {300: 0.02, 1000: 0.01, 3000: 0.0}
ROWS, RESAMPLES, MILLISECONDS = 20_000, 2_000, 50.0
LIMIT = NonInferior(MARGIN)


@dataclass(frozen=True)
class Rates:
    """Shares of simulated pairs that each rule lets through, of `trials`."""

    gate: float
    naive: float
    trials: int


def cell_chances(worse: float, discordance: float = DISCORDANCE) -> NDArray[np.float64]:
    """Return P(truth, baseline, candidate) [3, 3, 3]; wrong answers fall on both other classes
    alike, and where both are wrong they give the same answer half of the time.
    """
    wins, losses = (discordance - worse) / 2, (discordance + worse) / 2
    both = ACCURACY - losses
    neither = 1 - both - wins - losses
    chances = np.zeros((CLASSES,) * 3)
    for truth in range(CLASSES):
        others = [label for label in range(CLASSES) if label != truth]
        chances[truth, truth, truth] = both
        for one, other in (others, others[::-1]):
            chances[truth, one, truth] = wins / 2
            chances[truth, truth, one] = losses / 2
            chances[truth, one, one] = neither / 4
            chances[truth, one, other] = neither / 4
    return chances / CLASSES


def simulate(rows: int, worse: float, trials: int, seed: int) -> Rates:
    """Judge `trials` pairs of models on fresh test sets of `rows` rows."""
    chances = cell_chances(worse)
    draws = np.random.default_rng(seed).multinomial(rows, chances.ravel(), size=trials)
    passed = naive = 0
    for number, counts in enumerate(draws):
        cells = Cells(counts.reshape(chances.shape))
        bounds = macro_f1_difference_bounds(cells, 0.05, RESAMPLES, seed=number)
        passed += compare(bounds, LIMIT) is Outcome.PASS
        naive += macro_f1(cells.candidate) >= macro_f1(cells.baseline)
    return Rates(passed / trials, naive / trials, trials)


def slack(rate: float, trials: int) -> float:
    """Return two standard errors of a share that is `rate` in truth (at least one trial's)."""
    return 2 * sqrt(max(rate, 1 / trials) * (1 - rate) / trials)


def error_bars(report: Report, equal: Mapping[int, Rates], worse: Mapping[int, Rates]) -> list[Bar]:
    """Return the Gate's error rates against what was promised, the naive rule's beside them."""
    bars = []
    for rows, one in equal.items():
        other = worse[rows]
        refused = f"% of equal models refused at {rows:,} rows"
        accepted = f"% of models 3 points worse accepted at {rows:,} rows"
        most = 100 * (REFUSED[rows] + slack(REFUSED[rows], one.trials))
        bars += [
            report.at_most(f"equal-refused-{rows}", refused, round(most, 2), 100 * (1 - one.gate)),
            report.shown(
                f"naive-equal-refused-{rows}",
                f"{refused}, by candidate >= incumbent",
                100 * (1 - one.naive),
            ),
        ]
        most = 100 * (ACCEPTED[rows] + slack(ACCEPTED[rows], other.trials))
        bars += [
            report.at_most(f"worse-accepted-{rows}", accepted, round(most, 2), 100 * other.gate),
            report.shown(
                f"naive-worse-accepted-{rows}",
                f"{accepted}, by candidate >= incumbent",
                100 * other.naive,
            ),
        ]
    return bars


def time_bootstrap(rounds: int) -> Sequence[float]:
    """Return milliseconds of each of some bootstraps of 20,000 rows, 2,000 resamples."""
    chances = cell_chances(0.0)
    counts = np.random.default_rng(0).multinomial(ROWS, chances.ravel()).reshape(chances.shape)
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        macro_f1_difference_bounds(Cells(counts), 0.05, RESAMPLES)
        took.append((time.perf_counter() - began) * 1000)
    return took


def main() -> None:
    """Simulate, time, write, and exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2_000, help="pairs of models a rate")
    parser.add_argument("--rounds", type=int, default=20, help="bootstraps that are timed")
    chosen = parser.parse_args()
    report = Report("gates", "make bench-gates", {"numpy": version("numpy")}, time.time())
    equal: dict[int, Rates] = {}
    worse: dict[int, Rates] = {}
    for rows in REFUSED:
        tell(f"judging 2 x {chosen.trials:,} pairs of models on {rows:,} rows each")
        equal[rows] = simulate(rows, 0.0, chosen.trials, seed=rows)
        worse[rows] = simulate(rows, WORSE, chosen.trials, seed=rows + 1)
    took = sorted(time_bootstrap(chosen.rounds))
    speed = f"ms for a bootstrap of {ROWS:,} rows x {RESAMPLES:,} resamples, median"
    bars = error_bars(report, equal, worse)
    bars.append(report.at_most("bootstrap-ms", speed, MILLISECONDS, took[len(took) // 2]))
    sys.exit(not report.write(bars))


if __name__ == "__main__":
    main()
