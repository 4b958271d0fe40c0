"""Rows that are kept of a version's traffic, from which a Reference of accepted traffic is made.

Of each day those with the lowest priorities are kept: a hash of the request id, so that it does not
matter which process sees a row, in what order, or how often. What is kept of a row is what a
Reference holds of one: no text, no request id, no fingerprint. Pure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from math import floor, inf

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from drift_monitor.batches import PROJECTION
from drift_monitor.sketches import Rows

DAY_SECONDS = 86_400.0
KEPT_A_DAY = 1000
"""Two weeks of these are more than a Reference has rows."""
MOST_ROWS = 10_000
"""More rows would only make resampling slower."""
# Rows of so many seconds resemble each other: one event, one caller. They are resampled together.
_BLOCK_SECONDS = 600.0


@dataclass(frozen=True)
class TrafficRow:
    """One row of traffic; `block` numbers the ten minutes that it came in."""

    priority: int
    block: int
    language: str
    packed: bytes


@dataclass(frozen=True)
class TrafficDay:
    """A day of a version's traffic: of `seen` rows those whose priority is at most `highest`."""

    day: float
    seen: int
    rows: Sequence[TrafficRow] = ()
    highest: float = inf


@dataclass(frozen=True)
class About:
    """What a file says of itself: whose traffic it is, and of when."""

    version: str
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    start: float
    end: float
    texts: int

    def to_json(self) -> str:
        """Return it as the file's header holds it."""
        return json.dumps(vars(self), sort_keys=True)


@dataclass
class Keeping:
    """Rows of one day of a version that are low enough to be kept; `highest` is the largest
    priority that still is.
    """

    day: float
    highest: float
    seen: int = 0
    rows: list[TrafficRow] = field(default_factory=list)

    def add(self, rows: Rows, priorities: NDArray[np.int64], received_at: float) -> None:
        """Look at rows that arrived together."""
        self.seen += len(priorities)
        low = np.flatnonzero(priorities <= self.highest)
        if not len(low):
            return
        low_rows, block = rows.take(low), int(received_at // _BLOCK_SECONDS)
        languages, packed = low_rows.language.tolist(), _pack(low_rows)
        named = zip(priorities[low].tolist(), languages, packed, strict=True)
        self.rows += [TrafficRow(priority, block, *rest) for priority, *rest in named]
        # Of a burst hardly any row is wanted: neither memory nor the tables shall hold it.
        if len(self.rows) > 2 * KEPT_A_DAY:
            self.rows = nsmallest(KEPT_A_DAY, self.rows, key=lambda row: row.priority)
            self.highest = self.rows[-1].priority

    def kept(self) -> TrafficDay:
        """Return what is to be kept."""
        return TrafficDay(self.day, self.seen, self.rows, self.highest)


def day_of(bucket_start: float) -> float:
    """Return when the day began that rows of this bucket are kept for."""
    return floor(bucket_start / DAY_SECONDS) * DAY_SECONDS


def evenly(days: Sequence[TrafficDay], most: int = MOST_ROWS) -> list[TrafficRow]:
    """Choose rows of all days, of each as many as it has of the texts: as if drawn from them all.

    Never more than `most`; fewer where one day has so much of the traffic that what is kept of it
    would be too large a share.
    """
    held = [day for day in days if day.rows]
    if not held:
        return []
    share = min(most / sum(day.seen for day in held), *(len(d.rows) / d.seen for d in held), 1.0)
    chosen: list[TrafficRow] = []
    for day in held:
        lowest = sorted(day.rows, key=lambda row: row.priority)
        chosen += lowest[: floor(share * day.seen + 1e-9)]
    return chosen


def write_file(rows: Sequence[TrafficRow], about: About) -> bytes:
    """Write rows as a Reference of accepted traffic; equal rows give equal bytes."""
    ordered = sorted(rows, key=lambda row: (row.block, row.priority))
    packed = np.frombuffer(b"".join(row.packed for row in ordered), _layout(len(about.labels)))
    place = {language: index for index, language in enumerate(about.languages)}
    columns: Mapping[str, NDArray[np.generic]] = {
        "projection": packed["projection"],
        "scores": packed["scores"],
        "label_indices": packed["label"].astype(np.int64),
        "words": packed["words"],
        "oov": packed["oov"],
        "non_letter": packed["non_letter"],
        "truncated": packed["truncated"],
        "language_index": np.array([place[row.language] for row in ordered], dtype=np.int16),
        "block": np.array([row.block for row in ordered], dtype=np.int64),
    }
    whole = {name: np.ascontiguousarray(column) for name, column in columns.items()}
    # One key only: several are written in no order of their own.
    return save(whole, metadata={"about": about.to_json()})


def _layout(labels: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("projection", "<f2", (PROJECTION,)),
            ("scores", "<f4", (labels,)),
            ("label", "<i4"),
            ("words", "<i4"),
            ("oov", "<f4"),
            ("non_letter", "<f4"),
            ("truncated", "?"),
        ]
    )


def _pack(rows: Rows) -> list[bytes]:
    packed = np.zeros(len(rows), dtype=_layout(rows.scores.shape[1]))
    packed["projection"] = rows.projection
    packed["scores"] = rows.scores
    packed["label"] = rows.label
    packed["words"] = np.rint(np.expm1(rows.measures["length"]))
    packed["oov"] = rows.measures["unknown_words"]
    packed["non_letter"] = rows.measures["non_letter"]
    packed["truncated"] = rows.flags["truncated"]
    return [row.tobytes() for row in packed]
