# ruff: noqa: INP001 - a script, not a package
"""Measures whether what is said of quality is true, on real texts, with the monitor's own code.

Weeks of film reviews, some with snippets of another site among them, are replayed: the list of
200 is drawn as the monitor draws it and labelled with the truth; then it is asked whether the
interval holds the week's accuracy. Also how far estimates without labels are off where they are
trusted, and how often labels call a version degraded that is not. Writes results/quality.json.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from math import log

import numpy as np
from bars import Bar, Report, tell
from texts import Kind, read_kinds

from drift_monitor.labelling import KEPT, Candidate, choose, priority_of
from drift_monitor.quality import MOST_NOVEL
from drift_monitor.sketches import Rows, make_sketcher
from drift_monitor.yardsticks import STRATA, Measured, Yardstick, make_yardstick
from stats.degradation import log_e_above
from stats.estimated_accuracy import estimated_accuracy
from stats.measured_accuracy import Guessed, Labelled, measured_accuracy

LABELS = ("negative", "positive")
REFERENCE_ROWS, WEEK_ROWS, WINDOW_ROWS = 10_000, 20_000, 1000
FOREIGN = (0.0, 0.1, 0.2, 0.3)
ALPHA = 0.025
WEEKS_A_QUARTER, LIST = 13, 200


class World:
    """A Reference's yardstick, and pools of reviews and of snippets, measured by it."""

    def __init__(self, seed: int) -> None:
        kinds = read_kinds()
        reviews, snippets = kinds["review"], kinds["snippet"]
        order = np.random.default_rng(seed).permutation(len(reviews.truth))
        held, pool = np.split(order, [REFERENCE_ROWS])
        accepted = reviews.rows.take(held)
        self._sketcher = make_sketcher(LABELS, accepted)
        self.yardstick: Yardstick = make_yardstick(self._sketcher, accepted, reviews.right[held])
        self.reviews = self._measured(reviews, pool)
        self.snippets = self._measured(snippets, np.arange(len(snippets.truth)))

    def _measured(self, kind: Kind, chosen: np.ndarray) -> tuple[Measured, np.ndarray]:
        rows: Rows = kind.rows.take(chosen)
        features = self._sketcher.vectors(rows)[:, self._sketcher.part("features")]
        return self.yardstick.measure(rows, features), kind.right[chosen]

    def draw(self, rng: np.random.Generator, rows: int, foreign: float) -> dict[str, np.ndarray]:
        """Draw texts, a share of them foreign: worth, stratum, confidence, novel, right."""
        many = int(rows * foreign)
        parts = [(self.reviews, rows - many), (self.snippets, many)]
        drawn: dict[str, list[np.ndarray]] = {}
        for (measured, right), count in parts:
            at = rng.integers(0, len(right), count)
            columns = {"worth": measured.worth[at], "stratum": measured.strata[at]}
            columns |= {"novel": measured.novel[at], "right": right[at]}
            columns["confidence"] = measured.rows.measures["confidence"][at]
            for name, values in columns.items():
                drawn.setdefault(name, []).append(values)
        return {name: np.concatenate(values) for name, values in drawn.items()}


def list_of(week: dict[str, np.ndarray], number: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a week's list as the monitor does; returns positions and probabilities."""
    strata, worth = week["stratum"].tolist(), week["worth"].tolist()
    by_stratum: dict[int, list[Candidate]] = {}
    for row, stratum in enumerate(strata):
        name = f"{number}-{row}"
        priority = priority_of(name, number)
        candidate = Candidate(name, stratum, priority, "", worth[row], 0.0, ())
        by_stratum.setdefault(stratum, []).append(candidate)
    for held in by_stratum.values():
        held.sort(key=lambda each: each.priority)
    kept = [candidate for held in by_stratum.values() for candidate in held[:KEPT]]
    population = np.bincount(week["stratum"], minlength=len(STRATA)).astype(float).tolist()
    chosen = choose(kept, population)
    rows = np.array([int(name.partition("-")[2]) for name in chosen])
    return rows, np.array(list(chosen.values()))


def measured_bars(report: Report, world: World, replays: int) -> Iterator[Bar]:
    """Intervals from 200 labels a week."""
    rng = np.random.default_rng(2)
    held, widths, plain = [], [], []
    for number in range(replays):
        week = world.draw(rng, WEEK_ROWS, FOREIGN[number % len(FOREIGN)])
        rows, probability = list_of(week, number)
        right = week["right"][rows].astype(float)
        guessed = Guessed(WEEK_ROWS, float(week["worth"].mean()), float(week["worth"].var()))
        labelled = Labelled(right, week["worth"][rows], probability)
        bounds = measured_accuracy(labelled, guessed, ALPHA)
        held.append(bounds.lower <= week["right"].mean() <= bounds.upper)
        widths.append(bounds.upper - bounds.lower)
        some = rng.integers(0, WEEK_ROWS, LIST)
        spread = week["right"][some].std(ddof=1) / np.sqrt(LIST)
        plain.append(2 * 1.96 * float(spread))
    what = f"share of {replays} replayed weeks whose 95% interval holds the accuracy"
    yield report.at_least("measured.coverage", what, 0.93, float(np.mean(held)))
    yield report.at_most("measured.coverage.upper", what, 0.97, float(np.mean(held)))
    yield report.shown("measured.width", "its width, 200 labels, points", 100 * np.mean(widths))
    what = "width without strata and confidences, 200 labels, points"
    yield report.shown("measured.plain", what, 100 * float(np.mean(plain)))


def estimated_bars(report: Report, world: World, replays: int) -> Iterator[Bar]:
    """Estimates without labels, Windows of a thousand."""
    rng = np.random.default_rng(3)
    for foreign in FOREIGN:
        errors, trusted, held = [], [], []
        for _ in range(replays):
            window = world.draw(rng, WINDOW_ROWS, foreign)
            calibration = world.yardstick.calibration
            bins = calibration.bins_of(window["confidence"])
            counts = np.bincount(bins, minlength=len(calibration.rate)).astype(float)
            bounds = estimated_accuracy(counts, calibration)
            errors.append(100 * (bounds.point - window["right"].mean()))
            trusted.append(window["novel"].mean() <= MOST_NOVEL)
            held.append(bounds.lower <= window["right"].mean())
        name, kind = f"estimated.{foreign:.0%}", f"{foreign:.0%} snippets of another site"
        if foreign == 0:
            what = "share of quiet Windows whose estimate is not trusted"
            yield report.at_most(f"{name}.untrusted", what, 0.01, 1 - float(np.mean(trusted)))
            what = "points that the estimate is off by on average, quiet"
            yield report.at_most(f"{name}.bias", what, 1.0, abs(float(np.mean(errors))))
            what = "share of quiet Windows whose accuracy is above the estimate's lower bound"
            yield report.at_least(f"{name}.lower", what, 0.93, float(np.mean(held)))
            continue
        what = f"points that the estimate is too high by, {kind}"
        yield report.shown(f"{name}.bias", what, float(np.mean(errors)))
        what = f"share of Windows not trusted, {kind}"
        yield report.shown(f"{name}.untrusted", what, 1 - float(np.mean(trusted)))


def degraded_bars(report: Report, replays: int) -> Iterator[Bar]:
    """Pages from labels, looked at after each of a quarter's 2,600."""
    rng = np.random.default_rng(4)
    rows = WEEKS_A_QUARTER * LIST
    for worse, op in ((0.0, "at_most"), (0.03, "shown"), (0.06, "at_least")):
        rate = 0.15 + worse
        runs = [log_e_above((rng.random(rows) < rate) * 1.0, 0.15) for _ in range(replays)]
        paged = float(np.mean([run >= log(20) for run in runs]))
        what = f"share of quarters paged, error {100 * worse:.0f} points over the promise"
        limit = {"at_most": (0.05,), "at_least": (0.95,), "shown": ()}[op]
        yield getattr(report, op)(f"degraded.{100 * worse:.0f}", what, *limit, paged)


def main() -> int:
    """Measure and write the results; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=500, help="weeks that are replayed")
    arguments = parser.parse_args()
    report = Report("quality", "make bench-quality", {"numpy": version("numpy")}, time.time())
    world = World(seed=1)
    bars = list(estimated_bars(report, world, arguments.replays))
    tell("estimates are measured; replaying weeks")
    bars += measured_bars(report, world, arguments.replays)
    bars += degraded_bars(report, arguments.replays)
    return 0 if report.write(bars) else 1


if __name__ == "__main__":
    sys.exit(main())
