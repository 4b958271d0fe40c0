"""What the inference service answers is read alike by the gate job that measures it."""

import json

import numpy as np
import pytest

from inference.schemas import Labelled, TextRequest, render_infer
from textmodels.predictions import Predictions
from training_jobs.adapters.predictors import read_answers


def test_labels_and_scores_of_a_batch_are_read_as_they_were_given():
    empty = Predictions.empty(2)
    predictions = Predictions(
        label_indices=np.asarray([1, 0]),
        scores=np.asarray([[0.25, 0.75], [0.5, 0.5]], np.float32),
        tokens=empty.tokens,
        out_of_vocabulary=empty.out_of_vocabulary,
        truncated=empty.truncated,
        projection=empty.projection,
    )
    labelled = Labelled("sentiment", "sha256:" + "a" * 64, ("negative", "positive"), predictions)
    content = json.dumps(render_infer(TextRequest(["good", "so so"]), labelled)).encode()

    good, other = read_answers(content)
    assert (good.label, good.confidence) == ("positive", pytest.approx(0.75))
    assert other.scores == {"negative": 0.5, "positive": 0.5}
