"""What traffic without drift does to each Detector: its nulls, and how often its CUSUM alarms.

Both come from a Reference's own rows, resampled in blocks, and are stored beside it. A null says
how surprising one Window is; the alarm curve says how high a threshold must be for rows of Windows
that all share the Reference's error. Counted Detectors have exact p-values and need neither.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from drift_monitor.detectors import (
    FEWEST_ROWS,
    RESAMPLED,
    Sample,
    comparable,
    cosines,
    most_rows,
    share_statistics,
    statistics,
)
from drift_monitor.monitors import RULES
from drift_monitor.sketches import Floats, Sketcher
from stats.nulls import NullDistribution, bootstrap_means, z_scores
from stats.page_budget import ALLOWANCES, AlarmCurves, Limit, alarm_curves, independent_curves
from stats.two_sample import mmd2

KeepGoing = Callable[[], bool]

# Sizes of Window at which the null is resampled, as far as a Reference allows them.
_GRID = (FEWEST_ROWS, 500, 1000, 2000, 5000)
# Hourly Windows of the twelve weeks that a budget is for.
_PATH_WINDOWS = 2016
# Of more rows without blocks a few each are joined at random: less work, and spreads are still
# known to 3 %. With a few hundred they would not be.
_MOST_ROWS = 2000


@dataclass(frozen=True)
class Effort:
    """How many windows a null is resampled from, and how many twelve weeks are simulated."""

    windows: int = 2000
    paths: int = 100


USUAL_EFFORT = Effort()


@dataclass(frozen=True)
class Material:
    """Rows that are resampled: vectors [n_ref, width], and the block of each where one is known.

    A block is what rows have in common that makes them alike: a caller, a session, ten minutes.
    Each vector may be the mean of several rows.
    """

    sketcher: Sketcher
    vectors: NDArray[np.float32]
    blocks: NDArray[np.integer] | None = None
    rows_each: int = 1

    @property
    def reference(self) -> Sample:
        """All rows together."""
        rows = len(self.vectors) * self.rows_each
        return Sample(rows, self.vectors.mean(axis=0, dtype=np.float64))


@dataclass(frozen=True)
class Quiet:
    """Nulls of the RESAMPLED Detectors by size of Window, each sorted, and their alarm curves."""

    samples: Mapping[int, Mapping[str, Floats]]
    curves: Mapping[str, AlarmCurves]
    _limits: dict[float, dict[str, Limit]] = field(default_factory=dict, repr=False)

    def p_values(self, values: Mapping[str, Floats], n: int) -> dict[str, Floats]:
        """Return the p-values of comparable statistics of windows of n rows.

        Between two sizes log p is interpolated in log n; beyond the last the last one is used.
        """
        below, above, weight = _around(tuple(self._nulls), n)
        lower, upper = self._nulls[below], self._nulls[above]
        if below == above:
            return {name: lower[name].p_values(value) for name, value in values.items()}
        return {
            name: lower[name].p_values(value) ** (1 - weight)
            * upper[name].p_values(value) ** weight
            for name, value in values.items()
        }

    def p_values_of_one(self, values: Mapping[str, Floats], n: int) -> dict[str, float]:
        """Return the same of one window."""
        below, above, weight = _around(tuple(self._nulls), n)
        lower, upper = self._nulls[below], self._nulls[above]
        found = {name: lower[name].p_value(float(value)) for name, value in values.items()}
        if below == above:
            return found
        return {
            name: p ** (1 - weight) * upper[name].p_value(float(values[name])) ** weight
            for name, p in found.items()
        }

    def limits(self, detectors: Sequence[str], rate: float) -> dict[str, Limit]:
        """Return how to set each CUSUM so that, quiet, it alarms at most `rate` times a Window."""
        if rate not in self._limits:
            exact = independent_curves()
            self._limits[rate] = {
                name: self.curves.get(name, exact).limit(rate) for name in detectors
            }
        return self._limits[rate]

    def to_bytes(self) -> bytes:
        """Return it as a safetensors file."""
        arrays = {
            f"null {n} {name}": values
            for n, of_size in self.samples.items()
            for name, values in of_size.items()
        }
        for name, curve in self.curves.items():
            arrays[f"curve {name}"] = np.array([curve.windows, *curve.rates.ravel()])
        return save(arrays)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Quiet":
        """Read what `to_bytes` wrote."""
        samples: dict[int, dict[str, Floats]] = {}
        curves = {}
        for key, values in load(raw).items():
            kind, *size, name = key.split(" ")
            if kind == "null":
                samples.setdefault(int(size[0]), {})[name] = values
            else:
                rates = values[1:].reshape(len(ALLOWANCES), -1)
                curves[name] = AlarmCurves(rates, int(values[0]))
        return cls(samples, curves)

    @cached_property
    def _nulls(self) -> dict[int, dict[str, NullDistribution]]:
        return {
            n: {name: NullDistribution(values) for name, values in of_size.items()}
            for n, of_size in sorted(self.samples.items())
        }


def simulate_quiet(
    material: Material, seed: int, effort: Effort, keep_going: KeepGoing = lambda: True
) -> Quiet | None:
    """Resample nulls and alarm curves; takes seconds, None when told to stop in between."""
    rng = np.random.default_rng(seed)
    material = _thinned(material, rng)
    middle = material.reference
    largest = most_rows(middle.n)
    samples: dict[int, dict[str, Floats]] = {}
    for n in [*(size for size in _GRID if size < largest), largest]:
        if not keep_going():
            return None
        means = np.concatenate(list(_windows(material, n, effort.windows, rng)))
        found = statistics(material.sketcher, n, means, middle)
        found["cosine"] = cosines(material.sketcher, means, middle)
        samples[n] = {name: np.sort(values) for name, values in found.items()}
    nulls = Quiet(samples, {})
    # Other windows than those of the nulls: what lies beyond all of them is what alarms.
    means = np.concatenate(list(_windows(material, largest, effort.windows, rng)))
    z = _paths(material, nulls, means, effort, keep_going)
    if z is None:
        return None
    return Quiet(samples, {name: alarm_curves(values, RULES) for name, values in z.items()})


def _paths(
    material: Material, nulls: Quiet, means: Floats, effort: Effort, keep_going: KeepGoing
) -> dict[str, Floats] | None:
    """Return z [paths, windows] of twelve weeks each, with an error that lasts as long.

    The Reference is one draw from what traffic can be, and what the traffic of twelve weeks is
    about is another: each path's Reference is off by the difference of two resampled ones.
    """
    rng = np.random.default_rng(len(means))
    middle = material.reference
    n_ref, n = middle.n, most_rows(middle.n)
    one, other = (
        np.concatenate(list(_windows(material, n_ref, effort.paths, rng))) for _ in range(2)
    )
    length = min(_PATH_WINDOWS, len(means))
    z: dict[str, list[Floats]] = {name: [] for name in RESAMPLED}
    references = middle.mean + one - other
    features = material.sketcher.part("features")
    distances = n * mmd2(means[:, features], references[:, features])
    for reference, embedding in zip(references, distances.T, strict=True):
        if not keep_going():
            return None
        found = share_statistics(material.sketcher, n, means, Sample(n_ref, reference))
        found["embedding"] = embedding
        chosen = rng.permutation(len(means))[:length]
        p_values = nulls.p_values(comparable(found, n, n_ref), n)
        for name, values in p_values.items():
            z[name].append(z_scores(values[chosen]))
    return {name: np.stack(paths) for name, paths in z.items()}


def _windows(
    material: Material, n: int, windows: int, rng: np.random.Generator
) -> Iterator[Floats]:
    seed, vectors = int(rng.integers(2**31)), material.vectors
    if material.blocks is not None:
        return bootstrap_means(vectors, n, windows, seed, material.blocks)
    return bootstrap_means(vectors, round(n / material.rows_each), windows, seed)


def _thinned(material: Material, rng: np.random.Generator) -> Material:
    """Return the means of a few rows each, in place of very many rows."""
    rows = len(material.vectors)
    each = -(-rows // _MOST_ROWS)
    if material.blocks is not None or each == 1:
        return material
    groups = rng.permutation(rows)[: rows // each * each].reshape(-1, each)
    means = np.stack([material.vectors[group].mean(axis=0) for group in groups])
    return Material(material.sketcher, means, rows_each=each)


def _around(sizes: tuple[int, ...], n: int) -> tuple[int, int, float]:
    """Return the sizes below and above n and how far n lies between them, in log n."""
    if n <= sizes[0]:
        return sizes[0], sizes[0], 0.0
    if n >= sizes[-1]:
        return sizes[-1], sizes[-1], 0.0
    above = next(size for size in sizes if size >= n)
    below = sizes[sizes.index(above) - 1]
    return below, above, log(n / below) / log(above / below)
