"""Whether a page means harm: shifts that cost accuracy, one that does not, with and without labels.

A case is a day of hourly Windows of a thousand texts. It pages when a signal on slice all raises a
finding and quality may suffer, or when labels alone say that it has degraded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from delays import ROWS, first_finding
from texts import Kind
from worlds import World, block_sums, draw

from drift_monitor.quality import Quality
from drift_monitor.severity import Severity, decide_severity
from drift_monitor.sketches import Rows
from drift_monitor.yardsticks import Yardstick, make_yardstick
from stats.degradation import log_e_above
from stats.estimated_accuracy import estimated_accuracy
from stats.measured_accuracy import Guessed, Labelled, measured_accuracy

LABELS = 200
_WINDOWS, _BLOCK = 24, 10
_POOL = 4000
"""Rows that a day's texts are drawn from."""
_LOSS = 0.03
_ALPHA = 0.05
_SHORT_WORDS = 128
CASES = (
    "twice as many short reviews",
    "40% short snippets",
    "all cut to a third",
    "10% other truth",
    "20% other truth",
)
HARMLESS = CASES[0]
UNSEEN = CASES[3:]
"""Texts and answers stay as they were, so that only labels can tell."""


@dataclass(frozen=True)
class Day:
    """Rows that a day's traffic is drawn from, and whether each is answered right."""

    rows: Rows
    right: np.ndarray


def harms(kinds: Mapping[str, Kind], world: World, seed: int) -> dict[str, float]:
    """Return by case: accuracy lost, novelty, whether it pages without labels and with 200."""
    rng = np.random.default_rng(seed)
    reviews = kinds["review"]
    right = reviews.right[world.reference]
    yardstick = make_yardstick(world.sketcher, reviews.rows.take(world.reference), right)
    promised = float(right.mean())
    found: dict[str, float] = {}
    for name, day in _days(kinds, world, promised, rng):
        quality, finding = _observe(world, yardstick, day, promised - _LOSS, rng)
        found[f"{name}: lost"] = promised - float(day.right.mean())
        found[f"{name}: novelty"] = quality.novelty
        found[f"{name}: found"] = finding
        found[f"{name}: page"] = _pages(quality, finding=finding)
        labelled = _with_labels(quality, yardstick, day, rng)
        found[f"{name}: page with labels"] = _pages(labelled, finding=finding)
    return found


def _days(
    kinds: Mapping[str, Kind], world: World, promised: float, rng: np.random.Generator
) -> Iterator[tuple[str, Day]]:
    some = world.traffic[:_POOL]
    traffic = kinds["review"].rows.take(some)
    right = kinds["review"].right[some]
    yield HARMLESS, _shorter(traffic, right, promised, rng)
    snippets = kinds["snippet"]
    other = rng.choice(len(snippets.rows), round(len(traffic) * 2 / 3))
    mixed = Rows.join([traffic, snippets.rows.take(other)])
    yield CASES[1], _shuffled(mixed, np.concatenate([right, snippets.right[other]]), rng)
    cut = kinds["cut"]
    yield CASES[2], Day(cut.rows.take(some), cut.right[some])
    for case, share in zip(UNSEEN, (0.1, 0.2), strict=True):
        yield case, Day(traffic, right ^ (rng.random(len(right)) < share))


def _shorter(traffic: Rows, right: np.ndarray, promised: float, rng: np.random.Generator) -> Day:
    """Draw short reviews twice as often, and right and wrong ones so that accuracy stays."""
    weight = 1.0 + (traffic.measures["length"] <= np.log1p(_SHORT_WORDS))
    for answer, share in ((right, promised), (~right, 1 - promised)):
        weight[answer] *= share / weight[answer].sum()
    chosen = rng.choice(len(traffic), len(traffic), p=weight)
    return Day(traffic.take(chosen), right[chosen])


def _shuffled(rows: Rows, right: np.ndarray, rng: np.random.Generator) -> Day:
    order = rng.permutation(len(rows))
    return Day(rows.take(order), right[order])


def _observe(
    world: World, yardstick: Yardstick, day: Day, floor: float, rng: np.random.Generator
) -> tuple[Quality, bool]:
    """Return what is known of a day's quality without labels, and whether a signal finds it."""
    vectors = world.sketcher.vectors(day.rows)
    measured = yardstick.measure(day.rows, vectors[:, world.sketcher.part("features")])
    columns = yardstick.columns(measured).astype(np.float32)
    sums = block_sums(np.concatenate([vectors, columns], axis=1), _BLOCK)
    windows = draw(sums, ROWS // _BLOCK, _WINDOWS, rng).astype(np.float64)
    width = vectors.shape[1]
    finding = first_finding(world.judge(ROWS, windows[:, :width] / ROWS), world.limits, 0)
    totals = yardstick.totals(_WINDOWS * ROWS, windows[:, width:].sum(axis=0))
    estimated = estimated_accuracy(totals.worths, yardstick.calibration)
    novelty = totals.novel / totals.n
    quality = Quality("all", 0.0, 86_400.0, floor, novelty, estimated, None, degraded=False)
    return quality, finding <= _WINDOWS


def _with_labels(
    quality: Quality, yardstick: Yardstick, day: Day, rng: np.random.Generator
) -> Quality:
    """Return what 200 labels of rows drawn evenly add."""
    chosen = rng.choice(len(day.rows), LABELS, replace=False)
    worth = yardstick.calibration.worth(day.rows.measures["confidence"])
    right = day.right[chosen].astype(np.float64)
    drawn = Labelled(right, worth[chosen], np.full(LABELS, LABELS / (ROWS * _WINDOWS)))
    guessed = Guessed(ROWS * _WINDOWS, float(worth.mean()), float(worth.var()))
    degraded = log_e_above(1 - right, 1 - quality.floor) >= log(1 / _ALPHA)
    return Quality(
        quality.slice,
        quality.start,
        quality.end,
        quality.floor,
        quality.novelty,
        quality.estimated,
        measured_accuracy(drawn, guessed, _ALPHA / 2),
        degraded=degraded,
    )


def _pages(quality: Quality, *, finding: bool) -> float:
    decided = decide_severity(quality, broken=False)
    return float(quality.degraded or (finding and decided.severity is Severity.PAGE))
