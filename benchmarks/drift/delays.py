"""How many Windows of a thousand texts it takes to find a drift, with the code that finds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import erfc, inf, sqrt

import numpy as np
from texts import Kind
from worlds import World, block_sums, draw

from drift_monitor.detectors import NAIVE_COSINE_LIMIT, RESAMPLED
from drift_monitor.monitors import Monitor, Reading
from stats.nulls import z_score
from stats.page_budget import Limit

ROWS = 1000
_BLOCK = 10
_BEFORE, LATEST = 24, 48
_POOL = 2000
"""Rows that drifted texts are drawn from."""
_SMALL = z_score(0.01)


@dataclass(frozen=True)
class Drift:
    """A share of each Window is texts of another kind; `most` is the bar, in Windows."""

    name: str
    kind: str
    share: float
    most: float | None


DRIFTS = (
    Drift("10% of other domains", "other", 0.10, 6),
    Drift("10% of other domains, as long as reviews", "other-long", 0.10, 6),
    Drift("20% of other domains", "other", 0.20, 4),
    Drift("20% of other domains, as long as reviews", "other-long", 0.20, 4),
    Drift("30% cut to a third", "cut", 0.30, 4),
    Drift("10% with typos", "typos", 0.10, 8),
    Drift("+10 points of one label", "positive", 0.20, 5),
    Drift("10% in a wrong encoding", "mangled", 0.10, None),
    Drift("10% with markup", "html", 0.10, None),
    Drift("2% with an injected prompt", "prompt", 0.02, None),
)


def delays(kinds: Mapping[str, Kind], world: World, seed: int) -> dict[str, float]:
    """Return Windows until a finding on slice all by `drift rule`; inf where there is none."""
    rng = np.random.default_rng(seed)
    pools = _pools(kinds, world, rng)
    found: dict[str, float] = {}
    for drift in DRIFTS:
        means = _windows(pools, drift, rng)
        z = world.judge(ROWS, means)
        found[f"{drift.name}: ours"] = first_finding(z, world.limits, _BEFORE)
        cosine = world.cosines(means)[_BEFORE:] > NAIVE_COSINE_LIMIT
        found[f"{drift.name}: cosine over .08"] = _index(cosine)
        small = np.any([values[_BEFORE:] > _SMALL for values in z.values()], axis=0)
        found[f"{drift.name}: p < .01"] = _index(small)
    return found


def first_finding(z: Mapping[str, np.ndarray], limits: Mapping[str, Limit], before: int) -> float:
    """Return after how many Windows beyond the first `before` a signal raises a finding."""
    return min(_first_of(z[name], limits[name], before) for name in RESAMPLED)


def findings(z: Mapping[str, np.ndarray], limits: Mapping[str, Limit]) -> np.ndarray:
    """Return in which Windows [windows] a signal raises a finding or confirms one."""
    found = [_alarms(z[name], limits[name]) for name in RESAMPLED]
    return np.any(found, axis=0)


def _pools(
    kinds: Mapping[str, Kind], world: World, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return sums of ten rows each, by kind; reviews that came to harm are of the traffic."""
    pools: dict[str, np.ndarray] = {}
    for drift in DRIFTS:
        if drift.kind in pools:
            continue
        if drift.kind == "positive":
            reviews = kinds["review"]
            chosen = world.traffic[reviews.truth[world.traffic] == 1][:_POOL]
            rows = reviews.rows.take(chosen)
        else:
            rows = kinds[drift.kind].rows
            others = rng.permutation(len(rows))
            rows = rows.take((others if drift.kind.startswith("other") else world.traffic)[:_POOL])
        pools[drift.kind] = block_sums(world.sketcher.vectors(rows), _BLOCK)
    quiet = world.sketcher.vectors(kinds["review"].rows.take(world.traffic))
    return pools | {"review": block_sums(quiet, _BLOCK)}


def _windows(pools: Mapping[str, np.ndarray], drift: Drift, rng: np.random.Generator) -> np.ndarray:
    """Return the means of quiet Windows, then of drifted ones."""
    blocks = ROWS // _BLOCK
    other = round(blocks * drift.share)
    before = draw(pools["review"], blocks, _BEFORE, rng)
    usual = draw(pools["review"], blocks - other, LATEST, rng)
    after = usual + draw(pools[drift.kind], other, LATEST, rng)
    return np.concatenate([before, after]).astype(np.float64) / ROWS


def _p_value(z: float) -> float:
    return erfc(z / sqrt(2)) / 2


def _index(fires: np.ndarray) -> float:
    return float(fires.argmax()) + 1 if fires.any() else inf


def _first_of(z: np.ndarray, limit: Limit, before: int) -> float:
    return _index(_alarms(z, limit)[before:])


def _alarms(z: np.ndarray, limit: Limit) -> np.ndarray:
    monitor, found = Monitor(), np.zeros(len(z), dtype=bool)
    for window, value in enumerate(z.tolist()):
        monitor = monitor.step(Reading(window, window + 1, ROWS, value, _p_value(value)), limit)
        found[window] = monitor.alarms
    return found
