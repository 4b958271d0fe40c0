"""What simulating a model found is kept, by part and by the code that the part depends on.

So a run of hours can be taken up, and a change to one part leaves the others as they are.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from delays import delays
from harms import harms
from quiet_weeks import quiet_weeks
from texts import ROOT, Kind
from worlds import World, make_world

from drift_monitor.quiet import USUAL_EFFORT

_WORLD = (
    *(f"benchmarks/drift/{name}.py" for name in ("texts", "worlds")),
    *(
        f"services/drift-monitor/src/drift_monitor/{name}.py"
        for name in ("detectors", "monitors", "quiet", "sketches")
    ),
    *(
        f"libs/stats/src/stats/{name}.py"
        for name in ("cusum", "nulls", "page_budget", "rates", "two_sample")
    ),
)
_OF_PART: Mapping[str, tuple[Callable[..., dict[str, float]], tuple[str, ...]]] = {
    "quiet": (quiet_weeks, ("benchmarks/drift/quiet_weeks.py",)),
    "delays": (delays, ("benchmarks/drift/delays.py",)),
    "harms": (
        harms,
        (
            *(f"benchmarks/drift/{name}.py" for name in ("delays", "harms")),
            *(
                f"services/drift-monitor/src/drift_monitor/{name}.py"
                for name in ("quality", "severity", "yardsticks")
            ),
            *(
                f"libs/stats/src/stats/{name}.py"
                for name in (
                    "calibration",
                    "confidence_sequences",
                    "degradation",
                    "estimated_accuracy",
                    "measured_accuracy",
                )
            ),
        ),
    ),
}


def one_model(kinds: Mapping[str, Kind], seed: int, parts: Sequence[str]) -> dict[str, float]:
    """Return what the parts measure on one simulated model; only what is not kept is measured."""
    found: dict[str, float] = {}
    world: World | None = None
    for part in parts:
        measure, _ = _OF_PART[part]
        kept = home_of(part) / f"{seed}.json"
        if not kept.exists():
            world = world or make_world(kinds, seed, USUAL_EFFORT)
            kept.with_suffix(".new").write_text(json.dumps(measure(kinds, world, seed)))
            kept.with_suffix(".new").rename(kept)
        found |= json.loads(kept.read_text())
    return found


@cache
def home_of(part: str) -> Path:
    """Return where a part's results are: another folder once the code that makes them is."""
    content = hashlib.sha256()
    for path in sorted((*_WORLD, *_OF_PART[part][1])):
        content.update((ROOT / path).read_bytes())
    home = ROOT / ".isogloss" / "benchmarks" / f"drift-{part}-{content.hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    return home
