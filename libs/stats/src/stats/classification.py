"""What a classifier got right, from counts of cells alone.

Rows are never needed again: every score and its bootstrap follow from how often each
(truth, baseline answer, candidate answer) occurred, so an interval over 20,000 rows takes
milliseconds and can be replayed from stored Evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Cells:
    """Row counts int64 [truth, baseline, candidate], or [truth, candidate] without a baseline."""

    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse anything but a square or cubic table of counts."""
        shape = self.counts.shape
        if self.counts.ndim not in (2, 3) or len(set(shape)) != 1:
            raise ValueError(f"cells of shape {shape}: expected [k, k] or [k, k, k]")
        if self.counts.dtype.kind not in "iu" or (self.counts < 0).any():
            raise ValueError("cells must be whole numbers, none negative")

    @classmethod
    def from_rows(
        cls,
        truth: Sequence[int],
        candidate: Sequence[int],
        baseline: Sequence[int] | None = None,
        *,
        classes: int,
    ) -> "Cells":
        """Count label indices (each in 0..classes-1) row by row."""
        columns = [truth, candidate] if baseline is None else [truth, baseline, candidate]
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"columns of {[len(c) for c in columns]} rows: expected equal lengths")
        counts = np.zeros((classes,) * len(columns), dtype=np.int64)
        np.add.at(counts, tuple(np.asarray(column, dtype=np.int64) for column in columns), 1)
        return cls(counts)

    @property
    def n(self) -> int:
        """Rows counted."""
        return int(self.counts.sum())

    @property
    def candidate(self) -> NDArray[np.int64]:
        """The candidate's confusion [truth, prediction]."""
        if self.counts.ndim == 2:
            return self.counts
        confusion: NDArray[np.int64] = self.counts.sum(axis=1)
        return confusion

    @property
    def baseline(self) -> NDArray[np.int64]:
        """The baseline's confusion [truth, prediction]."""
        confusion: NDArray[np.int64] = self._paired().sum(axis=2)
        return confusion

    @property
    def wins(self) -> int:
        """Rows that only the candidate got right."""
        return int(np.trace(self.candidate)) - self._both_right()

    @property
    def losses(self) -> int:
        """Rows that only the baseline got right."""
        return int(np.trace(self.baseline)) - self._both_right()

    def _both_right(self) -> int:
        return int(np.einsum("iii->", self._paired()))

    def _paired(self) -> NDArray[np.int64]:
        if self.counts.ndim != 3:
            raise ValueError("these cells hold no baseline: count [truth, baseline, candidate]")
        return self.counts


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class: precision, recall and F1 (0 where undefined) and its number of true rows."""

    precision: float
    recall: float
    f1: float
    support: int


def accuracy(confusion: ArrayLike) -> float:
    """Return the share of rows on the diagonal; 0 without rows."""
    table = np.asarray(confusion)
    return _ratio(float(np.trace(table)), float(table.sum()))


def class_scores(confusion: ArrayLike) -> tuple[ClassScores, ...]:
    """Return the scores of each class of a confusion [truth, prediction], in label order."""
    table = np.asarray(confusion)
    rows = zip(np.diag(table), table.sum(axis=1), table.sum(axis=0), strict=True)
    return tuple(
        ClassScores(
            precision=_ratio(float(hit), float(predicted)),
            recall=_ratio(float(hit), float(true)),
            f1=_ratio(2 * float(hit), float(true + predicted)),
            support=int(true),
        )
        for hit, true, predicted in rows
    )


def macro_precision(confusion: ArrayLike) -> float:
    """Return the mean precision over the classes that occur."""
    return _macro(confusion, "precision")


def macro_recall(confusion: ArrayLike) -> float:
    """Return the mean recall over the classes that occur."""
    return _macro(confusion, "recall")


def macro_f1(confusion: ArrayLike) -> float:
    """Return the mean F1 over the classes that occur in truth or prediction; 0 without rows.

    Equal to scikit-learn's `f1_score(average="macro", zero_division=0)` on the same rows.
    """
    return _macro(confusion, "f1")


def macro_f1_bounds(
    confusion: ArrayLike, alpha: float = 0.05, resamples: int = 2000, seed: int = 0
) -> Bounds:
    """Return the bootstrap bounds of macro-F1 from a confusion [truth, prediction].

    Quantiles alpha and 1 - alpha of multinomial resamples of the cells (Efron's percentile
    bootstrap), for one look at a fixed set of rows.
    """
    table = _confusion(confusion)
    if table.sum() == 0:
        return Bounds(n=0, lower=0.0, point=0.0, upper=1.0)
    draws = _resample(table, resamples, seed)
    truth, prediction = np.nonzero(table)
    scores = _macro_f1_of_draws(draws, truth, prediction, classes=len(table))
    return _percentile_bounds(int(table.sum()), macro_f1(table), scores, alpha)


def macro_f1_difference_bounds(
    cells: Cells | ArrayLike, alpha: float = 0.05, resamples: int = 2000, seed: int = 0
) -> Bounds:
    """Return the bootstrap bounds of macro-F1(candidate) - macro-F1(baseline).

    `cells` are counts [truth, baseline, candidate]; both models are resampled on the same rows.
    """
    paired = cells if isinstance(cells, Cells) else Cells(np.asarray(cells))
    if paired.n == 0:
        return Bounds(n=0, lower=-1.0, point=0.0, upper=1.0)
    point = macro_f1(paired.candidate) - macro_f1(paired.baseline)
    draws = _resample(paired.counts, resamples, seed)
    truth, baseline, candidate = np.nonzero(paired.counts)
    classes = len(paired.counts)
    differences = _macro_f1_of_draws(draws, truth, candidate, classes) - _macro_f1_of_draws(
        draws, truth, baseline, classes
    )
    return _percentile_bounds(paired.n, point, differences, alpha)


def _macro(confusion: ArrayLike, score: str) -> float:
    table = _confusion(confusion)
    occurs = table.sum(axis=0) + table.sum(axis=1) > 0
    scores = [getattr(row, score) for row in class_scores(table)]
    return float(np.mean(np.asarray(scores)[occurs])) if occurs.any() else 0.0


def _confusion(confusion: ArrayLike) -> NDArray[np.int64]:
    table = Cells(np.asarray(confusion)).counts
    if table.ndim != 2:
        raise ValueError(f"confusion of shape {table.shape}: expected [truth, prediction]")
    return table


def _resample(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Draw [resamples, occupied cells]: cells never seen cannot be drawn, so they are left out."""
    occupied = counts[np.nonzero(counts)]
    n = int(occupied.sum())
    draws = np.random.default_rng(seed).multinomial(n, occupied / n, size=resamples)
    return draws.astype(np.float64)


def _macro_f1_of_draws(
    draws: NDArray[np.float64],
    truth: NDArray[np.intp],
    prediction: NDArray[np.intp],
    classes: int,
) -> NDArray[np.float64]:
    """Return macro-F1 [resamples] of draws [resamples, cells] whose cells have these labels."""
    of_truth, of_prediction = np.eye(classes)[truth], np.eye(classes)[prediction]
    hits = draws @ (of_truth * of_prediction)
    occurrences = draws @ (of_truth + of_prediction)
    f1 = 2 * hits / np.maximum(occurrences, 1)
    scores: NDArray[np.float64] = f1.sum(axis=1) / (occurrences > 0).sum(axis=1)
    return scores


def _percentile_bounds(n: int, point: float, draws: NDArray[np.float64], alpha: float) -> Bounds:
    # A percentile interval of a biased score can miss its own point on tiny tables; widening it
    # to hold the point only makes PASS and FAIL harder to reach.
    lower, upper = (float(q) for q in np.quantile(draws, [alpha, 1 - alpha]))
    return Bounds(n=n, lower=min(lower, point), point=point, upper=max(upper, point))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
