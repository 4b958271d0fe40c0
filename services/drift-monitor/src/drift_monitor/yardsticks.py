"""What rows of one version are measured by for quality: made from its Reference, with its truth.

A row's confidence is worth what it was worth on the Reference; a row is novel when its projection
lies where hardly a Reference row did, or more of its words are unknown than of nearly any there.
Rows are also put into strata, length by worth, from which those to be labelled are drawn.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from drift_monitor.sketches import MEASURES, Floats, Rows, Sketcher
from drift_monitor.windows import LENGTH_LIMITS, LENGTHS
from stats.estimated_accuracy import Calibration, calibrate

_BANDS = ("unsure", "likely", "sure")
STRATA = tuple(f"{length}, {band}" for length, band in product(LENGTHS, _BANDS))
# Each of the two marks leaves one Reference row in 200 outside, so that quiet traffic is 1 %
# novel at most; see quality.MOST_NOVEL.
_OUTSIDE = 0.005


@dataclass(frozen=True)
class Yardstick:
    """`centre` is the Reference's mean of features; nearer to it than `nearest` is usual, as is a
    share of unknown words up to `most_unknown`. `bands` part the worths into thirds.
    """

    labels: tuple[str, ...]
    calibration: Calibration
    centre: NDArray[np.float32]
    nearest: float
    most_unknown: float
    bands: Floats

    def measure(self, rows: Rows, features: NDArray[np.floating]) -> "Measured":
        """Measure rows, given their random Fourier features [n, 2 D]."""
        worth = self.calibration.worth(rows.measures["confidence"])
        far = features @ self.centre < self.nearest
        novel = far | (rows.measures["unknown_words"] > self.most_unknown)
        lengths = np.searchsorted(np.log1p(LENGTH_LIMITS), rows.measures["length"], side="left")
        strata = lengths * len(_BANDS) + np.searchsorted(self.bands, worth, side="right")
        return Measured(rows, worth, novel, strata)

    def columns(self, measured: "Measured") -> NDArray[np.float32]:
        """Return what is added up of each row [n, width]: counts stay exact in this precision."""
        rows, each = measured.rows, np.arange(len(measured.worth))
        columns = np.zeros((len(each), self.width), dtype=np.float32)
        strata = len(self.calibration.rate)
        labels = strata + len(STRATA)
        means = labels + len(self.labels)
        columns[each, self.calibration.bins_of(rows.measures["confidence"])] = 1
        columns[each, strata + measured.strata] = 1
        columns[each, labels + rows.label] = 1
        columns[:, means] = measured.novel
        for place, name in enumerate(MEASURES, means + 1):
            columns[:, place] = rows.measures[name]
        return columns

    def totals(self, n: int, sums: Floats) -> "Totals":
        """Read the sums of n rows."""
        widths = (len(self.calibration.rate), len(STRATA), len(self.labels), 1)
        worths, strata, labels, novel, means = np.split(sums, np.cumsum(widths))
        return Totals(n, worths, strata, labels, float(novel[0]), means / max(n, 1))

    @property
    def width(self) -> int:
        """Length of what is added up."""
        widths = len(self.calibration.rate) + len(STRATA) + len(self.labels)
        return widths + 1 + len(MEASURES)


@dataclass(frozen=True)
class Measured:
    """Rows with their worth [n], whether they are novel [n] and their stratum's position [n]."""

    rows: Rows
    worth: Floats
    novel: NDArray[np.bool_]
    strata: NDArray[np.intp]


@dataclass(frozen=True)
class Totals:
    """n rows: counts by bin of worth, by stratum and by label, how many are novel, and the means
    of the measures in their order.
    """

    n: int
    worths: Floats
    strata: Floats
    labels: Floats
    novel: float
    means: Floats


def make_yardstick(sketcher: Sketcher, rows: Rows, right: NDArray[np.bool_]) -> Yardstick:
    """Make the yardstick from a Reference's rows and which of them were answered right."""
    confidence = rows.measures["confidence"]
    calibration = calibrate(confidence, right)
    features = sketcher.vectors(rows)[:, sketcher.part("features")]
    centre = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Yardstick(
        labels=sketcher.labels,
        calibration=calibration,
        centre=centre,
        nearest=float(np.quantile(features @ centre, _OUTSIDE)),
        most_unknown=float(np.quantile(rows.measures["unknown_words"], 1 - _OUTSIDE)),
        bands=np.quantile(calibration.worth(confidence), [1 / 3, 2 / 3]),
    )
