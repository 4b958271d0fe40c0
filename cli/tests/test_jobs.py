from pathlib import Path

import pytest

from isogloss.adapters.processes import Processes
from isogloss.failures import Misused, Refused
from isogloss.jobs import run_job
from isogloss.train import TrainingRequest, training_arguments


def test_a_job_that_refuses_is_refused_with_its_last_word_and_leaves_no_process(home, tmp_path):
    told = []

    with pytest.raises(Refused, match=r"dataset\.yaml"):
        run_job(home, ["check-data", str(tmp_path)], told.append)

    assert "dataset.yaml" in told[-1]
    assert Processes(home).names() == []


def test_a_job_that_was_called_wrongly_is_a_wrong_call(home):
    with pytest.raises(Misused, match="nonsense"):
        run_job(home, ["nonsense"], print)


def test_every_wish_about_a_training_run_is_passed_on():
    request = TrainingRequest(Path("p"), "tfidf_linear", ("C=8", "seed=1"), 2000, flip_labels=True)

    assert training_arguments(request) == [
        *("train", "p", "--family", "tfidf_linear"),
        *("--set", "C=8", "--set", "seed=1", "--rows", "2000", "--flip-labels"),
    ]
