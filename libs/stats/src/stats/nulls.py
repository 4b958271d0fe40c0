"""What a statistic looks like without drift, and how surprising a Window's value is.

The null is resampled from the Reference itself. A Window is compared with a Reference of finite
size, which resampling from that Reference cannot see: a caller multiplies squared statistics by
`reference_inflation` (their square roots by its root), or false alarms reach 99.9 %.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.two_sample import Floats

# The empirical p is good to 1e-3 with 10,000 windows; below, ten values or fewer speak.
_EMPIRICAL_VALUES = 10
# The tail is fitted on this share of the null (250 of 10,000, Knijnenburg et al. 2009).
_TAIL_SHARE = 0.025
_FEWEST_IN_TAIL = 20
# A shape of 1 has no mean to fit by; nothing here comes near it.
_HEAVIEST_SHAPE = 0.9
# Below this the Pareto tail is the exponential, as far as a double can tell.
_NO_SHAPE = 1e-6
# Smaller than any p a Window is judged by, larger than what 1 - p can still hold.
_SMALLEST_P = 1e-15
_LARGEST_P = 1 - 1e-9
_NORMAL = NormalDist()
# Windows resampled in one matrix product: 256 x 5,000 weights are 10 MB.
_CHUNK = 256


@dataclass(frozen=True)
class NullDistribution:
    """Values of one statistic without drift, with a fitted tail beyond them."""

    samples: Floats
    _sorted: Floats = field(init=False, repr=False)
    _tail: "_Tail" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Sort once and fit the tail."""
        if len(self.samples) < 4 * _FEWEST_IN_TAIL:
            raise ValueError(f"a null of {len(self.samples)} values: at least 80 are needed")
        ordered = np.sort(np.asarray(self.samples, dtype=np.float64))
        object.__setattr__(self, "_sorted", ordered)
        object.__setattr__(self, "_tail", _fit_tail(ordered))

    def p_value(self, statistic: float) -> float:
        """Return P(null >= statistic), in (0, 1): counted where it can be, fitted beyond."""
        # One at a time without arrays: a tick asks for tens of thousands.
        size = len(self._sorted)
        at_least = size - int(self._sorted.searchsorted(statistic, side="left"))
        counted = (at_least + 0.5) / (size + 1)
        if at_least >= _EMPIRICAL_VALUES:
            return counted
        return max(_SMALLEST_P, min(counted, float(self._tail.p_values(np.asarray(statistic)))))

    def p_values(self, statistics: ArrayLike) -> Floats:
        """Return the p-value of each of many statistics, in the shape they came in."""
        values = np.asarray(statistics, dtype=np.float64)
        size = len(self._sorted)
        at_least = size - np.searchsorted(self._sorted, values, side="left")
        # Half a value for the Window itself keeps p off 0 and 1, so that z stays finite.
        counted = (at_least + 0.5) / (size + 1)
        fitted = np.maximum(_SMALLEST_P, np.minimum(counted, self._tail.p_values(values)))
        found: Floats = np.where(at_least >= _EMPIRICAL_VALUES, counted, fitted)
        return found

    def quantile(self, share: float) -> float:
        """Return the value that `share` of the null stays below."""
        return float(np.quantile(self._sorted, share))


def z_score(p: float) -> float:
    """Return the standard normal deviate of a one-sided p: 1.64 for .05, negative above .5."""
    return -_NORMAL.inv_cdf(min(max(p, _SMALLEST_P), _LARGEST_P))


def z_scores(p: ArrayLike) -> Floats:
    """Return `z_score` of many p-values, to 1e-4: read from a table, since numpy has none."""
    values = np.clip(np.asarray(p, dtype=np.float64), _SMALLEST_P, _LARGEST_P)
    logs, deviates = _z_table()
    upper = np.interp(np.log(np.minimum(values, 0.5)), logs, deviates)
    lower = np.interp(np.log(np.minimum(1 - values, 0.5)), logs, deviates)
    found: Floats = np.where(values <= 0.5, upper, -lower)
    return found


def reference_inflation(n: float, reference_n: float) -> float:
    """Return 1 + n / n_ref: how much a finite Reference widens a squared statistic's null."""
    return 1.0 + n / reference_n


def bootstrap_means(
    rows: NDArray[np.floating],
    n: int,
    windows: int,
    seed: int,
    blocks: NDArray[np.integer] | None = None,
) -> Iterator[Floats]:
    """Yield the means [chunk, d] of windows of about n rows drawn from rows [n_ref, d].

    With `blocks` [n_ref] (a caller, a session, ten minutes) whole blocks are drawn: rows of one
    block resemble each other, and drawing them singly understates the spread. Kunsch 1989.
    """
    sums, sizes = (rows, np.ones(len(rows))) if blocks is None else _block_sums(rows, blocks)
    draws_per_window = max(1, round(n * len(sizes) / len(rows)))
    rng = np.random.default_rng(seed)
    for start in range(0, windows, _CHUNK):
        chunk = min(_CHUNK, windows - start)
        drawn = rng.integers(0, len(sizes), size=(chunk, draws_per_window))
        # Counted by hand: numpy's multinomial takes one binomial per row of the Reference.
        places = drawn + np.arange(chunk)[:, None] * len(sizes)
        counts = np.bincount(places.ravel(), minlength=chunk * len(sizes))
        weights = counts.reshape(chunk, len(sizes))
        totals = weights.astype(sums.dtype) @ sums
        yield np.asarray(totals / (weights @ sizes)[:, None], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Tail:
    """A generalised Pareto tail: P(X > start) = share, with this scale and shape."""

    start: float
    share: float
    scale: float
    shape: float

    def p_values(self, statistics: Floats) -> Floats:
        excess = np.maximum(0.0, statistics - self.start) / self.scale
        if self.shape < _NO_SHAPE:
            return np.asarray(self.share * np.exp(-excess))
        return np.asarray(self.share * np.exp(-np.log1p(self.shape * excess) / self.shape))


@cache
def _z_table() -> tuple[Floats, Floats]:
    """Return the logarithms of p in (0, .5] and their deviates; steps of .017 in log p."""
    logs = np.linspace(np.log(_SMALLEST_P), np.log(0.5), 2000)
    return logs, np.array([z_score(float(p)) for p in np.exp(logs)])


def _fit_tail(ordered: Floats) -> _Tail:
    """Fit by probability-weighted moments (Hosking and Wallis 1987).

    A negative shape would end the tail at a finite value and call everything beyond impossible;
    the exponential (shape 0) is the careful choice there.
    """
    count = max(_FEWEST_IN_TAIL, int(len(ordered) * _TAIL_SHARE))
    start = float(ordered[-count - 1])
    excess = ordered[-count:] - start
    share = count / len(ordered)
    mean = float(excess.mean())
    if mean <= 0:
        return _Tail(start, share, scale=max(abs(start), 1.0) * 1e-12, shape=0.0)
    above = 1 - (np.arange(1, count + 1) - 0.35) / count
    weighted = float((above * excess).mean())
    shape = min(max(2 - mean / (mean - 2 * weighted), 0.0), _HEAVIEST_SHAPE)
    return _Tail(start, share, scale=mean * (1 - shape), shape=shape)


def _block_sums(
    rows: NDArray[np.floating], blocks: NDArray[np.integer]
) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    _, place = np.unique(blocks, return_inverse=True)
    sizes = np.bincount(place)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(rows[np.argsort(place, kind="stable")], starts, axis=0)
    return sums, sizes.astype(np.float64)
