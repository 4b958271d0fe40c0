"""One simulated model: a Reference and a pool of traffic drawn anew, and Windows from that pool."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from texts import LABELS, Kind

from drift_monitor.detectors import (
    DETECTORS,
    RESAMPLED,
    Sample,
    comparable,
    cosines,
    most_rows,
    statistics,
)
from drift_monitor.quiet import Effort, Material, Quiet, simulate_quiet
from drift_monitor.sketches import Sketcher, make_sketcher
from stats.nulls import z_scores
from stats.page_budget import Limit, rate_of_monitor

SLICES = 8
MONITORS = SLICES * len(RESAMPLED)
WEEKS_WINDOWS = 12 * 7 * 24
BLOCK = 50
_REFERENCE_ROWS = 10_000
_HOUR = 3600.0


@dataclass(frozen=True)
class World:
    """A model in service: what it was accepted on, how it is judged, what its traffic is."""

    sketcher: Sketcher
    accepted: Sample
    quiet: Quiet
    limits: Mapping[str, Limit]
    reference: np.ndarray
    traffic: np.ndarray

    @property
    def judged(self) -> int:
        """How many rows of a Window are judged at most."""
        return most_rows(self.accepted.n)

    def judge(self, n: int, means: np.ndarray) -> dict[str, np.ndarray]:
        """Return z [windows] of each signal of windows of n rows."""
        found = statistics(self.sketcher, n, means, self.accepted)
        values = comparable(found, n, self.accepted.n)
        p_values = self.quiet.p_values(values, n)
        return {name: z_scores(p) for name, p in p_values.items()}

    def cosines(self, means: np.ndarray) -> np.ndarray:
        """Return the cosine distances [windows] that the naive rule compares with 0.08."""
        return cosines(self.sketcher, means, self.accepted)


def make_world(kinds: Mapping[str, Kind], seed: int, effort: Effort) -> World:
    """Draw a Reference and, disjoint from it, a pool of traffic; calibrate."""
    reviews = kinds["review"].rows
    order = np.random.default_rng(seed).permutation(len(reviews))
    reference, traffic = order[:_REFERENCE_ROWS], order[_REFERENCE_ROWS:]
    rows = reviews.take(reference)
    sketcher = make_sketcher(LABELS, rows)
    vectors = sketcher.vectors(rows)
    quiet = simulate_quiet(Material(sketcher, vectors), seed, effort)
    if quiet is None:
        raise RuntimeError("nobody said to stop")
    accepted = Sample(len(rows), vectors.mean(axis=0, dtype=np.float64))
    # Counted signals have their share of the budget as well.
    rate = rate_of_monitor(1.0, SLICES * len(DETECTORS), _HOUR)
    return World(sketcher, accepted, quiet, quiet.limits(DETECTORS, rate), reference, traffic)


def block_sums(vectors: np.ndarray, size: int) -> np.ndarray:
    """Return the sums [blocks, width] of rows in blocks of a size; what is over is left out."""
    whole = len(vectors) // size * size
    return vectors[:whole].reshape(-1, size, vectors.shape[1]).sum(axis=1)


def draw(sums: np.ndarray, blocks: int, windows: int, rng: np.random.Generator) -> np.ndarray:
    """Return the sums [windows, width] of windows of so many blocks, no block twice in one.

    Windows drawn so from a finite pool scatter less than an hour of real traffic, by the share of
    the pool that is drawn; that is made up for.
    """
    if blocks == 0:
        return np.zeros((windows, sums.shape[1]), dtype=sums.dtype)
    chosen = np.argpartition(rng.random((windows, len(sums))), blocks, axis=1)[:, :blocks]
    weights = np.zeros((windows, len(sums)), dtype=sums.dtype)
    np.put_along_axis(weights, chosen, 1.0, axis=1)
    share = blocks / len(sums)
    return ((weights - share) / np.sqrt(1 - share) + share).astype(sums.dtype) @ sums
