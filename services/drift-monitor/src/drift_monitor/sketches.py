"""What is kept of a Window's rows: one vector of sums per Slice, about 10 kB, that merges.

Each row becomes a vector whose parts are random Fourier features of its projection, the projection
itself, its label as one-hot, its measurements as histogram bins, and the measurements. Sums of
such vectors are all that Detectors need; rows and texts are gone once they are added.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stats.two_sample import rff_features, rff_frequencies

Floats = NDArray[np.float64]

# Measurements that are compared as histograms, in the order of their parts.
MEASURES = ("confidence", "length", "unknown_words", "non_letter")
# Reference quantiles as edges: finer gains nothing at 200 rows a Window.
_BINS = 32
# The frequencies must be the same after a restart, in the middle of a Window.
_SEED = 20240615


@dataclass(frozen=True)
class Rows:
    """Answers of one version as columns: label index [n], projection [n, 64], measures [n] each.

    `length` is the logarithm of the words plus one, because texts are long by factors.
    """

    label: NDArray[np.int64]
    projection: NDArray[np.float32]
    measures: Mapping[str, Floats]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.label)

    def take(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Return the chosen rows."""
        measures = {name: values[chosen] for name, values in self.measures.items()}
        return Rows(self.label[chosen], self.projection[chosen], measures)


@dataclass(frozen=True)
class Sketcher:
    """How rows of one version become vectors; made from its Reference."""

    labels: tuple[str, ...]
    frequencies: NDArray[np.float32]
    edges: Mapping[str, Floats]

    def vectors(self, rows: Rows) -> Floats:
        """Return one vector per row [n, width]."""
        parts: list[NDArray[Any]] = [
            rff_features(rows.projection, self.frequencies),
            rows.projection,
            np.eye(len(self.labels))[rows.label],
        ]
        parts += [_one_hot(rows.measures[name], self.edges[name]) for name in MEASURES]
        parts.append(np.stack([rows.measures[name] for name in MEASURES], axis=1))
        vectors: Floats = np.concatenate(parts, axis=1)
        return vectors

    def part(self, name: str) -> slice:
        """Return where a part stands: features, projection, label, a measure, or means."""
        start = 0
        for part, width in self._widths():
            if part == name:
                return slice(start, start + width)
            start += width
        raise KeyError(name)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return sum(width for _, width in self._widths())

    def _widths(self) -> Iterator[tuple[str, int]]:
        yield "features", 2 * len(self.frequencies)
        yield "projection", self.frequencies.shape[1]
        yield "label", len(self.labels)
        for name in MEASURES:
            yield name, len(self.edges[name]) + 1
        yield "means", len(MEASURES)


def make_sketcher(labels: tuple[str, ...], reference: Rows) -> Sketcher:
    """Take the kernel's width and the histograms' edges from the Reference's rows."""
    inner = np.linspace(0, 1, _BINS + 1)[1:-1]
    return Sketcher(
        labels=labels,
        frequencies=rff_frequencies(reference.projection.astype(np.float64), _SEED).astype("f4"),
        # Shares are often exactly 0 or 1: equal quantiles become one edge.
        edges={name: np.unique(np.quantile(reference.measures[name], inner)) for name in MEASURES},
    )


def _one_hot(values: Floats, edges: Floats) -> Floats:
    # side="left": a value on an edge belongs below it, so that the mass at 0 has its own bin.
    return np.eye(len(edges) + 1)[np.searchsorted(edges, values, side="left")]
