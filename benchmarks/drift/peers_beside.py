"""Evidently and NannyML on the same Windows as ours, each in a process and environment of its own.

A rule is better than ours where it is false no more often and finds a drift sooner. One that is
sooner because it cries often is not: its row says how often.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from bars import Bar, Report, tell
from peer_environments import python_for
from streams import AFTER, QUIETS, SEEDED, Streams, make_streams, ours, write
from texts import Kind, read_texts
from worlds import make_world

from drift_monitor.quiet import USUAL_EFFORT

PEERS = Path(__file__).resolve().parent / "peers"
NAMES = ("evidently", "nannyml")
_SILENT = {
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "NML_DISABLE_USER_ANALYTICS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
Fires = Mapping[str, Sequence[bool]]
"""By stream, in which Windows a rule fires."""


def peer_bars(report: Report, kinds: Mapping[str, Kind], seeds: int) -> Iterator[Bar]:
    """Judge the Windows of several simulated models by every rule; bars against ours."""
    texts = read_texts()
    found: dict[str, list[Fires]] = {}
    for seed in range(seeds):
        world = make_world(kinds, seed, USUAL_EFFORT)
        streams = make_streams(kinds, texts, world, seed)
        found.setdefault("ours", []).append(ours(world, streams))
        for rule, fires in _judged(streams):
            tell(f"model {seed}: {rule}: {_false([fires], 'quiet'):.1f} % of quiet Windows")
            found.setdefault(rule, []).append(fires)
    for rule, theirs in found.items():
        for quiet in QUIETS:
            yield _quiet_bar(report, quiet, rule, theirs, found["ours"])
    for rule, theirs in found.items():
        if rule != "ours":
            yield from _delay_bars(report, rule, theirs, found["ours"])


def _quiet_bar(
    report: Report, quiet: str, rule: str, theirs: Sequence[Fires], own: Sequence[Fires]
) -> Bar:
    n, rows = len(theirs) * len(theirs[0][quiet]), QUIETS[quiet]
    name, what = (
        _id(f"false {rows} {rule}"),
        f"% of {n} quiet Windows of {rows:,} that fire: {rule}",
    )
    if rule == "ours":
        return report.shown(name, what, _false(own, quiet))
    return report.at_least(
        name, f"{what}; not under ours", _false(own, quiet), _false(theirs, quiet)
    )


def _delay_bars(
    report: Report, rule: str, theirs: Sequence[Fires], own: Sequence[Fires]
) -> Iterator[Bar]:
    """Compare how soon each drift is found; a row whose rule is sooner says what that costs."""
    noisier = [q for q in QUIETS if _false(theirs, q) > _false(own, q)]
    costs = [f"{_false(theirs, q):.0f} % of quiet Windows of {QUIETS[q]:,}" for q in noisier]
    for drift in SEEDED:
        ours_delay, delay = (_median_delay(each, drift.name) for each in (own, theirs))
        what = f"Windows of 1,000 until {rule} finds {drift.name} ({AFTER + 1}: not at all)"
        name = _id(f"{rule} {drift.name}")
        if delay < ours_delay and costs:
            told = f"{what}; ours {ours_delay:g}, but it fires on {' and '.join(costs)}"
            yield report.shown(name, told, delay)
        else:
            yield report.at_least(name, f"{what}; not under ours", ours_delay, delay)


def _judged(streams: Streams) -> Iterator[tuple[str, Fires]]:
    """Have each peer judge the Windows; yields by rule."""
    with TemporaryDirectory() as folder:
        write(streams, Path(folder))
        for name in NAMES:
            command = [python_for(PEERS / f"{name}.txt"), PEERS / f"{name}_rules.py", folder]
            environment = os.environ | _SILENT
            told = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True, env=environment
            ).stdout
            for line in told.splitlines():
                if line.startswith('{"rule"'):
                    said = json.loads(line)
                    yield f"{name}: {said['rule']}", said["fires"]


def _false(models: Sequence[Fires], quiet: str) -> float:
    return 100 * float(np.mean([np.mean(fires[quiet]) for fires in models]))


def _median_delay(models: Sequence[Fires], drift: str) -> float:
    return float(np.median([_delay(fires[drift]) for fires in models]))


def _delay(fires: Sequence[bool]) -> float:
    return fires.index(True) + 1 if any(fires) else AFTER + 1


def _id(text: str) -> str:
    kept = "".join(c if c.isalnum() else "-" for c in f"peers {text}")
    return "-".join(filter(None, kept.split("-")))
