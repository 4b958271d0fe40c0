import dataclasses

import numpy as np
import pytest

from textmodels.verification import (
    VerificationError,
    require_identical,
    require_same_scores,
    require_same_tokens,
)


def test_scores_within_the_tolerance_are_the_same():
    require_same_scores(np.array([[0.3, 0.7]]), np.array([[0.3 + 9e-7, 0.7 - 9e-7]]))


def test_scores_beyond_the_tolerance_are_not():
    with pytest.raises(VerificationError, match="scores differ by 2e-06"):
        require_same_scores(np.array([[0.3, 0.7]]), np.array([[0.3 + 2e-6, 0.7 - 2e-6]]))


def test_a_score_that_is_not_a_number_is_not_the_same():
    with pytest.raises(VerificationError, match="scores differ by nan"):
        require_same_scores(np.array([[np.nan, 0.7]]), np.array([[0.3, 0.7]]))


def test_a_tie_may_fall_either_way():
    require_same_scores(np.array([[0.5 + 5e-7, 0.5 - 5e-7]]), np.array([[0.5, 0.5]]))


def test_another_split_is_refused_by_position():
    with pytest.raises(VerificationError, match="text 1 of 2 is split differently"):
        require_same_tokens(["two words", "A b c"], str.split)


def test_identical_means_every_column(fitted, unseen):
    predictions = fitted.predictor.predict(unseen[0])
    require_identical(predictions, predictions)
    changed = dataclasses.replace(predictions, truncated=~predictions.truncated)
    with pytest.raises(VerificationError, match="other truncated"):
        require_identical(changed, predictions)
