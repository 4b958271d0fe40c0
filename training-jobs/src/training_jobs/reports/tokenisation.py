"""What the model's tokeniser made of a set of texts: counts and shares, no text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from training_jobs.reports.answers import Answers


def tokenisation_statistics(answers: Answers) -> dict[str, Any]:
    """Return per Slice: texts, tokens read, out-of-vocabulary share, texts cut at the limit."""
    return {name: _statistics(answers, positions) for name, positions in answers.slices.items()}


def _statistics(answers: Answers, positions: Sequence[int]) -> dict[str, Any]:
    at = np.asarray(positions)
    return {
        "texts": len(positions),
        "tokens_total": int(answers.tokens[at].sum()),
        "tokens_per_text": _spread(answers.tokens[at]),
        "out_of_vocabulary_share": _spread(answers.out_of_vocabulary[at]),
        "truncated_texts": int(answers.truncated[at].sum()),
    }


def _spread(values: ArrayLike) -> dict[str, float]:
    found = np.asarray(values, dtype=np.float64)
    spread = {
        "mean": found.mean(),
        "min": found.min(),
        "median": np.median(found),
        "p95": np.quantile(found, 0.95),
        "max": found.max(),
    }
    return {name: round(float(value), 4) for name, value in spread.items()}
