"""What one decision costs: every Window of an hour, for many models, from sums to monitors."""

import time
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from texts import LABELS, Kind
from worlds import World, block_sums, draw

from drift_monitor.detectors import DETECTORS
from drift_monitor.parts import parts_of
from drift_monitor.ports import Version
from drift_monitor.references import Reference
from drift_monitor.trials import SliceTrial, Standard, step_monitors
from drift_monitor.windows import ALL, Window
from drift_monitor.yardsticks import make_yardstick
from stats.page_budget import rate_of_monitor

MODELS, SLICES, ROWS = 100, 30, 1000
_HOUR = 3600.0


def seconds_a_tick(kinds: Mapping[str, Kind], world: World) -> float:
    """Return the CPU seconds of a tick, the least of three after a first one."""
    reference = _reference(kinds, world)
    vectors = world.sketcher.vectors(kinds["review"].rows.take(world.traffic))
    sums = draw(block_sums(vectors, 50), ROWS // 50, SLICES, np.random.default_rng(1))
    version = Version(1, "sentiment", "sha256:" + "b" * 64, LABELS)
    tests = [
        SliceTrial(
            version,
            Window(version.digest, f"caller={i}", 0.0, _HOUR, ROWS, row.astype(np.float64)),
            reference,
            Standard(world.accepted, world.quiet),
        )
        for i, row in enumerate(sums)
    ]
    rate = rate_of_monitor(1.0, SLICES * len(DETECTORS), _HOUR)
    states = {}
    spent = []
    for _ in range(4):
        started = time.process_time()
        for model in range(MODELS):
            for i, test in enumerate(tests):
                before = states.get((model, i), MappingProxyType({}))
                states[model, i] = step_monitors(test, before, rate)
        spent.append(time.process_time() - started)
    return min(spent[1:])


def _reference(kinds: Mapping[str, Kind], world: World) -> Reference:
    rows = kinds["review"].rows.take(world.reference)
    right = kinds["review"].right[world.reference]
    return Reference(
        world.sketcher,
        make_yardstick(world.sketcher, rows, right),
        rows,
        parts_of(rows, ()),
        {ALL: world.accepted},
        {ALL: float(right.mean())},
    )
