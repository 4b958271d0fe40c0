"""A model's answers to one set of rows, and what its tokeniser read there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textmodels.predictions import Predictor
from textmodels.reference import Reference, build_reference
from training_jobs.dataset.rows import Rows
from training_jobs.dataset.slices import slice_positions


@dataclass(frozen=True)
class Answers:
    """Columns by row: `predicted` are label indices as in `rows.labels`; `slices` are positions."""

    rows: Rows
    slices: Mapping[str, Sequence[int]]
    predicted: NDArray[np.int64]
    tokens: NDArray[np.int32]
    out_of_vocabulary: NDArray[np.float32]
    truncated: NDArray[np.bool_]


def ask(predictor: Predictor, rows: Rows, labels: tuple[str, ...]) -> tuple[Answers, Reference]:
    """Have every labelled row answered; `labels` are the data set's, in its order."""
    truth = [labels[label] for label in rows.labels]
    reference = build_reference(predictor, rows.texts, truth)
    # A predictor orders its labels by itself.
    order = np.asarray([labels.index(label) for label in predictor.labels])
    answers = Answers(
        rows=rows,
        slices=slice_positions(rows),
        predicted=order[reference.label_indices],
        tokens=reference.tokens,
        out_of_vocabulary=reference.oov,
        truncated=reference.truncated,
    )
    return answers, reference
