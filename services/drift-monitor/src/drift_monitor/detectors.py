"""Comparisons of a Window's sums with its Reference.

No single one wins: the embedding finds new topics, scores and confidence novelty and noise, labels
a moved prior, the text measures everything else. Some are judged by resampled nulls (see quiet):
each of these is scaled so that its null hardly depends on the Window's size. The others are counts,
whose p-values are exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from drift_monitor.sketches import FINGERPRINT_BITS, FLAGS, MEASURES, Floats, Sketcher
from stats.nulls import reference_inflation
from stats.rates import excess_p
from stats.two_sample import cosine_distance, g_statistic, ks_statistic, mmd2

RESAMPLED = ("embedding", "label", "language", "scores", *MEASURES)
COUNTED = (*FLAGS, "repeated")
DETECTORS = (*RESAMPLED, *COUNTED)
# Squared statistics; the others are Kolmogorov-Smirnov distances, which are roots.
_SQUARED = frozenset({"embedding", "label", "language"})
# Below 200 rows nothing but the grossest drift shows, and the null is far from its limit.
FEWEST_ROWS = 200
# A Window that is not small beside its Reference measures the Reference's own error, hour by hour.
_ROWS_PER_REFERENCE_ROW = 0.1
NAIVE_COSINE_LIMIT = 0.08
"""The rule this service replaces; shown beside the others. Below n = 150 it mostly fires on noise,
above 500 it never fires at all."""


@dataclass(frozen=True)
class Sample:
    """The mean vector of n rows."""

    n: int
    mean: Floats


def most_rows(reference_n: int) -> int:
    """Return how many rows of a Window are compared with a Reference of so many."""
    return max(FEWEST_ROWS, int(reference_n * _ROWS_PER_REFERENCE_ROW))


def statistics(sketcher: Sketcher, n: int, means: Floats, reference: Sample) -> dict[str, Floats]:
    """Return each RESAMPLED Detector's statistic for windows of n rows with means [..., width]."""
    where = sketcher.part("features")
    embedding = n * mmd2(means[..., where], reference.mean[where])
    return {"embedding": embedding, **share_statistics(sketcher, n, means, reference)}


def share_statistics(
    sketcher: Sketcher, n: int, means: Floats, reference: Sample
) -> dict[str, Floats]:
    """Return those of the Detectors that compare shares: all but the embedding."""

    def part(name: str) -> tuple[Floats, Floats]:
        where = sketcher.part(name)
        return means[..., where], reference.mean[where]

    def counts(name: str) -> Floats:
        mine, theirs = part(name)
        # A resampled Reference with an error added may be a hair below zero.
        return g_statistic(n * mine, np.maximum(reference.n * theirs, 0))

    scores = [ks_statistic(*part(f"score {label}")) for label in sketcher.scored]
    found = {
        "label": counts("label"),
        "language": counts("language"),
        "scores": sqrt(n) * np.max(scores, axis=0),
    }
    return found | {name: sqrt(n) * ks_statistic(*part(name)) for name in MEASURES}


def comparable(values: Mapping[str, Floats], n: int, reference_n: int) -> dict[str, Floats]:
    """Return the statistics as they would be if the Reference had no error of its own.

    Only then are they comparable with a null that was drawn from that Reference. What the traffic
    of some weeks is about is another draw of what it can be about, counted as good as the
    Reference: so twice its error.
    """
    inflation = reference_inflation(n, reference_n / 2)
    return {
        name: found / (inflation if name in _SQUARED else sqrt(inflation))
        for name, found in values.items()
    }


def counted_p_values(sketcher: Sketcher, window: Sample, reference: Sample) -> Mapping[str, float]:
    """Return the p-value of each COUNTED Detector."""
    where = sketcher.part("flags")
    shares = zip(FLAGS, window.mean[where], reference.mean[where], strict=True)
    found = {
        name: excess_p(round(mine * window.n), window.n, theirs * reference.n, reference.n)
        for name, mine, theirs in shares
    }
    return found | {"repeated": _repetition_p(sketcher, window)}


def repetition(sketcher: Sketcher, window: Sample) -> float:
    """Return how often rows share a text: 1 when all differ, 1 + q² n when a share q is one text.

    The second moment of the texts' frequencies over n, estimated from the sums of random signs
    (Alon, Matias and Szegedy 1996).
    """
    known = float(window.mean[sketcher.part("fingerprinted")][0])
    signs = window.mean[sketcher.part("signs")]
    return float((signs @ signs) / len(signs) * window.n / known) if known else 1.0


@dataclass(frozen=True)
class Cosine:
    """What the naive rule says of a Window, and of which share of quiet ones of its size it says
    "drift".
    """

    distance: float
    false_alarms: float


def cosines(sketcher: Sketcher, means: Floats, reference: Sample) -> Floats:
    """Return the cosine distance of mean projections, which the naive rule compares to .08."""
    where = sketcher.part("projection")
    return cosine_distance(means[..., where], reference.mean[where])


def _repetition_p(sketcher: Sketcher, window: Sample) -> float:
    # Each sum of n random signs is nearly normal with variance n, so that this is a chi-square
    # over its degrees, whose cube root is nearly normal (Wilson and Hilferty 1931).
    spread = 2 / (9 * FINGERPRINT_BITS)
    z = (repetition(sketcher, window) ** (1 / 3) - (1 - spread)) / sqrt(spread)
    return erfc(z / sqrt(2)) / 2
