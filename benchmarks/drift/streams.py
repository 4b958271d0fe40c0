"""Windows of whole rows, as other libraries need them: a quiet week, then drifts of each kind.

Ours judges the same Windows. They are written as files that a process of another environment reads:
columns and texts of all rows, and which rows are in which Window.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from delays import DRIFTS, ROWS, Drift, findings
from texts import Kind
from worlds import World

from drift_monitor.sketches import MEASURES, Rows

QUIET = 96
"""Quiet Windows of each size: four days of hours."""
QUIETS = {"quiet": ROWS, "quiet, few texts": 200}
"""Streams without drift, and the rows of their Windows."""
AFTER = 8
"""Windows after each drift began."""
_BEFORE = 24
"""Quiet Windows that ours has seen when it begins."""
SEEDED = tuple(drift for drift in DRIFTS if drift.most is not None)


@dataclass(frozen=True)
class Streams:
    """Rows that all Windows are of, and by stream its Windows: positions [windows, rows]."""

    rows: Rows
    texts: Sequence[str]
    reference: np.ndarray
    right: np.ndarray
    windows: Mapping[str, np.ndarray]


def make_streams(
    kinds: Mapping[str, Kind], texts: Mapping[str, Sequence[str]], world: World, seed: int
) -> Streams:
    """Draw the Windows of a simulated model; no row twice in one."""
    rng = np.random.default_rng(seed)
    names = ["review", *dict.fromkeys(drift.kind for drift in SEEDED if drift.kind != "positive")]
    starts = dict(zip(names, np.cumsum([0, *(len(kinds[n].rows) for n in names)]), strict=False))
    quiet = {
        name: np.stack([_some(world.traffic, rows, rng) for _ in range(QUIET)])
        for name, rows in QUIETS.items()
    }
    drifted = {
        drift.name: np.stack(
            [
                np.concatenate(
                    [
                        _some(world.traffic, ROWS - _other(drift), rng),
                        _some(_pool(kinds, world, drift, starts), _other(drift), rng),
                    ]
                )
                for _ in range(AFTER)
            ]
        )
        for drift in SEEDED
    }
    return Streams(
        rows=Rows.join([kinds[name].rows for name in names]),
        texts=[text for name in names for text in texts[name]],
        reference=world.reference,
        right=kinds["review"].right,
        windows=quiet | drifted,
    )


def ours(world: World, streams: Streams) -> dict[str, list[bool]]:
    """Return by stream in which Windows our monitor raises a finding."""
    vectors = world.sketcher.vectors(streams.rows)

    def means(windows: np.ndarray) -> np.ndarray:
        return np.stack([vectors[rows].mean(axis=0, dtype=np.float64) for rows in windows])

    quiet = {name: means(streams.windows[name]) for name in QUIETS}
    found = {
        name: findings(world.judge(QUIETS[name], windows), world.limits).tolist()
        for name, windows in quiet.items()
    }
    for name in [drift.name for drift in SEEDED]:
        both = np.concatenate([quiet["quiet"][:_BEFORE], means(streams.windows[name])])
        found[name] = findings(world.judge(ROWS, both), world.limits)[_BEFORE:].tolist()
    return found


def write(streams: Streams, folder: Path) -> None:
    """Write what peers read: columns.npz, texts.json, windows.npz."""
    rows = streams.rows
    measures = {name: rows.measures[name] for name in MEASURES}
    right = np.zeros(len(rows), dtype=bool)
    right[: len(streams.right)] = streams.right
    np.savez(
        folder / "columns.npz",
        label=rows.label,
        score=rows.scores[:, -1],
        language=rows.language,
        truncated=rows.flags["truncated"],
        projection=rows.projection,
        right=right,
        **measures,
    )
    (folder / "texts.json").write_text(json.dumps(list(streams.texts)))
    np.savez(folder / "windows.npz", reference=streams.reference, **streams.windows)


def _other(drift: Drift) -> int:
    return round(ROWS * drift.share)


def _pool(
    kinds: Mapping[str, Kind], world: World, drift: Drift, starts: Mapping[str, int]
) -> np.ndarray:
    """Return the positions of rows that a drift adds; reviews that came to harm are traffic's."""
    if drift.kind == "positive":
        return world.traffic[kinds["review"].truth[world.traffic] == 1]
    own = np.arange(len(kinds[drift.kind].rows))
    return starts[drift.kind] + (own if drift.kind.startswith("other") else world.traffic)


def _some(pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(pool, count, replace=False)
