"""How well a model answers, in total and per Slice, from counts of (truth, prediction)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stats.classification import Cells, accuracy, macro_f1, macro_precision, macro_recall
from training_jobs.dataset.slices import ALL
from training_jobs.reports.answers import Answers


def confusions(answers: Answers, classes: int) -> dict[str, NDArray[np.int64]]:
    """Return the confusion [truth, prediction] of each Slice, `all` first."""
    return {
        name: _confusion(answers, positions, classes) for name, positions in answers.slices.items()
    }


def scores(confusion: NDArray[np.int64]) -> dict[str, float]:
    """Return accuracy and macro-averaged precision, recall and F1, each in [0, 1]."""
    return {
        "accuracy": accuracy(confusion),
        "precision_macro": macro_precision(confusion),
        "recall_macro": macro_recall(confusion),
        "f1_macro": macro_f1(confusion),
    }


def metrics(of_slices: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
    """Return the scores of every Slice by name: `f1_macro` over all rows, `long/f1_macro`."""
    return {
        score if name == ALL else f"{name}/{score}": value
        for name, confusion in of_slices.items()
        for score, value in scores(confusion).items()
    }


def _confusion(answers: Answers, positions: Sequence[int], classes: int) -> NDArray[np.int64]:
    truth = [answers.rows.labels[i] for i in positions]
    predicted = answers.predicted[list(positions)]
    return Cells.from_rows(truth, predicted.tolist(), classes=classes).counts
