"""Reading counted Measurements strictly, so that computing bounds from them cannot go wrong.

A count that is negative, missing or does not add up raises ValueError, KeyError or TypeError;
whoever takes counts in from outside refuses them then.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from stats.calibration import CalibrationBins
from stats.classification import Cells
from stats.quantiles import latency_buckets

Counts = Mapping[str, Any]

_MOST_LABELS = 200
"""A dense table of (truth, baseline, candidate) for more labels would take over 64 MB."""
_MOST = 10**12
"""More observations than any of these were ever counted; sums stay exact as doubles."""
_MOST_BINS = 100


def read_cells(counts: Counts) -> Cells:
    """Read `cells` as counts [truth, baseline, candidate], or [truth, candidate] where no
    row has a baseline answer.
    """
    size = len(counts["labels"])
    rows = [[whole(part, -1) for part in row] for row in counts["cells"]]
    if not 2 <= size <= _MOST_LABELS or any(len(row) != 4 for row in rows):
        raise ValueError(f"{size} labels, rows must be [truth, baseline, candidate, count]")
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 4)
    paired = bool((table[:, 1] >= 0).all()) and len(table) > 0
    if not paired and (table[:, 1] >= 0).any():
        raise ValueError("some rows have a baseline answer and some have none")
    columns = table[:, [0, 1, 2] if paired else [0, 2]]
    if (columns < 0).any() or (columns >= size).any():
        raise ValueError(f"a label index is outside 0..{size - 1}")
    dense = np.zeros((size,) * columns.shape[1], dtype=np.int64)
    np.add.at(dense, tuple(columns.T), table[:, 3])
    return Cells(dense)


def read_latencies(buckets: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    """Read [[upper_ms, count], ...] with empty buckets left out, as counts of all of
    `stats.quantiles.latency_buckets`, and of what lies above them (upper_ms null).
    """
    places = {edge: place for place, edge in enumerate(latency_buckets())}
    counts = [0] * (len(places) + 1)
    for upper_ms, count in buckets:
        counts[-1 if upper_ms is None else places[float(upper_ms)]] += whole(count)
    return tuple(counts)


def read_calibration(counts: Counts) -> CalibrationBins:
    """Read `bins`, [[rows, right, sum of confidences of right, of wrong rows], ...]."""
    bins = counts["bins"]
    if not 1 <= len(bins) <= _MOST_BINS or any(len(row) != 4 for row in bins):
        raise ValueError(f"{len(bins)} bins, each must be [n, right, confidence, confidence]")
    for n, right, sure_right, sure_wrong in bins:
        wrong = whole(n) - whole(right)
        for rows, confidence in ((right, sure_right), (wrong, sure_wrong)):
            if rows < 0 or not isfinite(confidence) or not 0 <= confidence <= rows:
                raise ValueError(f"{confidence} is no sum of confidences of {rows} rows")
    return CalibrationBins(np.asarray(bins, dtype=np.float64))


def read_count(counts: Counts, key: str) -> int:
    """Read one whole, non-negative count."""
    return whole(counts[key])


def is_counted(pairs: Counts) -> bool:
    """Tell whether it is known how many requests were mirrored: all, or as many as were counted."""
    return pairs.get("mirror_percent", 100) == 100 or "mirrored" in pairs


def whole(value: Any, low: int = 0) -> int:
    """Return `value`, a whole number from `low` on; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= _MOST:
        raise ValueError(f"{value!r} is not a whole number from {low} to {_MOST:g}")
    return value
