"""What the inference service answers is read alike by the gate job that measures it."""

import json

import pytest

from inference.schemas import Labelled, TextRequest, render_infer
from textmodels.predictions import Answer
from training_jobs.adapters.predictors import read_answers


def test_labels_and_scores_of_a_batch_are_read_as_they_were_given():
    rest = {"tokens": 3, "out_of_vocabulary": 0.0, "truncated": False, "projection": bytes(128)}
    answers = [Answer(1, [0.25, 0.75], **rest), Answer(0, [0.5, 0.5], **rest)]
    labelled = Labelled("sentiment", "sha256:" + "a" * 64, ("negative", "positive"), answers)
    content = json.dumps(render_infer(TextRequest(["good", "so so"]), labelled)).encode()

    good, other = read_answers(content)
    assert (good.label, good.confidence) == ("positive", pytest.approx(0.75))
    assert other.scores == {"negative": 0.5, "positive": 0.5}
