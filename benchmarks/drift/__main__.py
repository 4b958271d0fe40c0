"""Whether drift alarms mean something, on real texts: `make bench-drift`.

Models are simulated with the monitor's own code: each has a Reference of 10,000 film reviews and,
disjoint from it, a pool of traffic, both drawn anew. Twelve weeks of quiet hours are judged; then
drifts of each kind begin; then days on which accuracy suffers or does not. Beside ours, on the same
Windows, rules that people write first. One week goes through the whole service; the self-check
replays a month. Evidently and NannyML judge Windows that ours judges too. Writes
results/drift.json and .md.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from math import sqrt

import numpy as np
from bars import Bar, Report, tell
from delays import DRIFTS, LATEST
from harms import CASES, HARMLESS, UNSEEN
from kept import one_model
from peers_beside import peer_bars
from quiet_weeks import RULES_BESIDE, SIZES
from real_week import week_bars
from self_check import check_bars
from texts import Kind, read_kinds
from ticks import MODELS, SLICES, seconds_a_tick
from worlds import MONITORS, make_world

from drift_monitor.detectors import DETECTORS
from drift_monitor.quiet import Effort

_PART = 5
"""Seeds between two lines of progress."""

Found = Mapping[str, np.ndarray]


@cache
def _kinds() -> Mapping[str, Kind]:
    return read_kinds()


def _one_model(parts: Sequence[str], seed: int) -> dict[str, float]:
    return one_model(_kinds(), seed, parts)


def simulate(parts: Sequence[str], seeds: int, workers: int) -> Found:
    """Return what was measured by name: [seeds]."""
    _kinds()
    rows: list[dict[str, float]] = []
    with ProcessPoolExecutor(workers) as pool:
        for row in pool.map(partial(_one_model, parts), range(seeds)):
            rows.append(row)
            if len(rows) % _PART == 0:
                tell(f"{len(rows)} of {seeds} models")
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def quiet_bars(report: Report, found: Found) -> Iterator[Bar]:
    """Findings in twelve weeks without drift; each counts as if it were a page."""
    for size in SIZES:
        what = f"false findings a model in 12 weeks, {MONITORS} monitors, {size:,} texts an hour"
        counts = found[f"{size} ours"]
        # A model's findings are alike where its Reference is unlucky: bounds over models.
        upper = counts.mean() + 1.645 * counts.std(ddof=1) / sqrt(len(counts))
        yield report.at_most(f"false-{size}", f"{what}: ours", 1, float(counts.mean()))
        yield report.at_most(f"false-{size}-upper", f"{what}: upper 95% bound", 1.5, float(upper))
        for rule in RULES_BESIDE:
            value = float(found[f"{size} {rule}"].mean())
            yield report.shown(f"false-{size}-{_id(rule)}", f"{what}: {rule}", value)


def delay_bars(report: Report, found: Found) -> Iterator[Bar]:
    """Windows of a thousand texts until a drift is found."""
    for drift in DRIFTS:
        windows = found[f"{drift.name}: ours"]
        what = f"windows of 1,000 until found (median, {LATEST + 1}: not at all): {drift.name}"
        name, value = _id(drift.name), _median(windows)
        if drift.most is None:
            yield report.shown(name, f"{what}: ours", value)
        else:
            yield report.at_most(name, f"{what}: ours", drift.most, value)
        missed = 100 * float(np.isinf(windows).mean())
        yield report.shown(
            f"{name}-missed", f"% not found in {LATEST} windows: {drift.name}", missed
        )
        for rule in RULES_BESIDE[:2]:
            value = _median(found[f"{drift.name}: {rule}"])
            yield report.shown(f"{name}-{_id(rule)}", f"{what}: {rule}", value)


def harm_bars(report: Report, found: Found) -> Iterator[Bar]:
    """Which days page."""
    for case in CASES:
        lost, novelty = (float(found[f"{case}: {what}"].mean()) for what in ("lost", "novelty"))
        told = f"{case} (accuracy {-100 * lost:+.1f} points, novel {novelty:.1%})"
        for labels in ("page", "page with labels"):
            paged = 100 * float(found[f"{case}: {labels}"].mean())
            words = "no labels" if labels == "page" else "200 labels"
            name = f"{_id(case)}-{_id(words)}"
            if case == HARMLESS:
                yield report.at_most(name, f"% of days that page, {words}: {told}", 5, paged)
            elif case in UNSEEN and (labels == "page" or case == UNSEEN[0]):
                yield report.shown(name, f"% of days not paged, {words}: {told}", 100 - paged)
            else:
                yield report.at_most(name, f"% of days not paged, {words}: {told}", 5, 100 - paged)


def tick_bars(report: Report) -> Iterator[Bar]:
    """What one decision costs."""
    world = make_world(_kinds(), 0, Effort(windows=1000, paths=20))
    what = f"seconds of CPU a tick: {MODELS} models, {SLICES} Slices, {len(DETECTORS)} signals"
    yield report.at_most("tick", what, 1, seconds_a_tick(_kinds(), world))


def _median(windows: np.ndarray) -> float:
    return float(np.median(np.minimum(windows, LATEST + 1)))


def _id(text: str) -> str:
    kept = "".join(c if c.isalnum() else "-" for c in text.lower())
    return "-".join(filter(None, kept.split("-")))


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, write, and exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="make bench-drift", description=__doc__)
    parser.add_argument("--only", choices=_PARTS, help="measure one part, keep the others")
    parser.add_argument("--seeds", type=int, default=200, help="simulated models")
    parser.add_argument("--peer-seeds", type=int, default=1, help="models that peers judge as well")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args(arguments)
    report = Report("drift", "make bench-drift", {"numpy": np.__version__}, time.time())
    bars: list[Bar] = []
    for part in [given.only] if given.only else _WHOLE:
        bars += _PARTS[part](report, given)
    sys.exit(not report.write(report.merged(bars)))


def _models(report: Report, given: argparse.Namespace) -> list[Bar]:
    found = simulate(["quiet", "delays", "harms"], given.seeds, given.workers)
    return [
        report.shown("models", "simulated models", given.seeds),
        *quiet_bars(report, found),
        *delay_bars(report, found),
        *_harm_bars(report, found, given.seeds),
    ]


def _harms(report: Report, given: argparse.Namespace) -> list[Bar]:
    found = simulate(["harms"], given.seeds, given.workers)
    return _harm_bars(report, found, given.seeds)


def _harm_bars(report: Report, found: Found, seeds: int) -> list[Bar]:
    bars = list(harm_bars(report, found))
    return [
        report.shown("models-harmed", "simulated models, each with a day of each kind", seeds),
        *bars,
    ]


_PARTS = {
    "models": _models,
    "harms": _harms,
    "tick": lambda report, _given: list(tick_bars(report)),
    "check": lambda report, _given: list(check_bars(report)),
    "week": lambda report, _given: list(week_bars(report, _kinds())),
    "peers": lambda report, given: list(peer_bars(report, _kinds(), given.peer_seeds)),
}
# What `models` measures, too.
_WHOLE = [name for name in _PARTS if name != "harms"]


if __name__ == "__main__":
    main()
