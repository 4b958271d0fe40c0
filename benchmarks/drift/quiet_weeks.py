"""Twelve weeks without drift: how many findings there are, ours and those of other rules."""

from collections.abc import Mapping

import numpy as np
from texts import Kind
from worlds import BLOCK, SLICES, WEEKS_WINDOWS, World, block_sums, draw

from drift_monitor.detectors import NAIVE_COSINE_LIMIT, RESAMPLED
from drift_monitor.monitors import RULES
from stats.cusum import ALLOWANCE, THRESHOLD
from stats.nulls import z_score
from stats.page_budget import count_alarms

SIZES = (200, 1000, 5000)
"""Texts an hour and Slice."""
RULES_BESIDE = ("cosine over .08", "p < .01", "CUSUM over 10")


def quiet_weeks(kinds: Mapping[str, Kind], world: World, seed: int) -> dict[str, float]:
    """Return the findings of twelve weeks by `size rule`, all Slices and signals together."""
    rng = np.random.default_rng(seed)
    vectors = world.sketcher.vectors(kinds["review"].rows.take(world.traffic))
    sums = block_sums(vectors, BLOCK)
    found: dict[str, float] = {}
    for size in SIZES:
        for name, alarms in _weeks(world, sums, size, rng).items():
            found[f"{size} {name}"] = alarms
    return found


def _weeks(world: World, sums: np.ndarray, size: int, rng: np.random.Generator) -> dict[str, float]:
    judged = min(size, world.judged)
    z: dict[str, list[np.ndarray]] = {name: [] for name in RESAMPLED}
    cosine = 0.0
    for _ in range(SLICES):
        means = draw(sums, judged // BLOCK, WEEKS_WINDOWS, rng).astype(np.float64) / judged
        for name, values in world.judge(judged, means).items():
            z[name].append(values)
        cosine += float((world.cosines(means) > NAIVE_COSINE_LIMIT).sum())
    paths = np.concatenate([np.stack(z[name]) for name in RESAMPLED])
    limits = [world.limits[name] for name in RESAMPLED for _ in range(SLICES)]
    ours = count_alarms(
        paths,
        np.array([limit.threshold for limit in limits]),
        np.array([limit.allowance for limit in limits]),
        RULES,
    )
    table = count_alarms(paths, np.array([THRESHOLD]), np.array([ALLOWANCE]), RULES)
    return {
        "ours": float(ours.sum()),
        RULES_BESIDE[0]: cosine,
        RULES_BESIDE[1]: float((paths > z_score(0.01)).sum()),
        RULES_BESIDE[2]: float(table.sum()),
    }
