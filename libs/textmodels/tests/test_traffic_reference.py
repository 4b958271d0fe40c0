import json

import numpy as np
import pytest
from safetensors.numpy import load

from textmodels.reference import build_reference
from textmodels.traffic_reference import MOST_ROWS, Traffic, build_traffic_reference

DIGEST = "sha256:" + "a" * 64


def about(content):
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["about"])


def test_traffic_is_measured_as_the_validation_set_is(fitted, unseen):
    texts, labels = unseen
    times = [1000.0 + 60 * place for place in range(len(texts))]
    content = build_traffic_reference(fitted.predictor, DIGEST, Traffic(texts, times))
    columns, reference = load(content), build_reference(fitted.predictor, texts, labels)

    for name in ("projection", "scores", "label_indices", "words", "oov", "non_letter"):
        assert np.array_equal(columns[name], getattr(reference, name))
    assert columns["block"].tolist() == [int(time // 600) for time in times]
    assert "true_indices" not in columns
    assert about(content)["languages"] == list(reference.languages)
    assert (about(content)["version"], about(content)["texts"]) == (DIGEST, len(texts))
    assert content == build_traffic_reference(fitted.predictor, DIGEST, Traffic(texts, times))


def test_of_more_texts_than_needed_some_are_drawn_from_all_the_time(fitted):
    n = MOST_ROWS + 2000
    traffic = Traffic(["a good film"] * n, [600.0 * place for place in range(n)])
    blocks = load(build_traffic_reference(fitted.predictor, DIGEST, traffic))["block"]
    assert len(set(blocks.tolist())) == MOST_ROWS
    assert np.mean(blocks) == pytest.approx(n / 2, rel=0.03)


@pytest.mark.parametrize("times", [[], [1.0, 2.0]])
def test_each_text_needs_a_time(fitted, times):
    with pytest.raises(ValueError, match="times"):
        build_traffic_reference(fitted.predictor, DIGEST, Traffic(["one"], times))
