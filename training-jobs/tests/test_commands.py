"""The jobs as they are called: exit codes, the result on stdout, help with an example."""

import json

import pytest

from training_jobs.last_word import leave_result


@pytest.mark.parametrize(
    "job", ["check-data", "export-data", "train", "offline-gate", "register", "evaluate"]
)
def test_every_job_explains_itself_with_an_example(job, capsys):
    from training_jobs.__main__ import main  # noqa: PLC0415 - installs nothing but is a program

    with pytest.raises(SystemExit) as ended:
        main([job, "--help"])

    assert ended.value.code == 0
    assert f"python -m training_jobs {job}" in capsys.readouterr().out.split("example:")[1]


def test_a_project_that_passes_is_prepared_and_told_in_one_line_of_json(run_job, project, home):
    code, result, told = run_job("check-data", project)

    assert code == 0, told
    assert result["outcome"] == "PASS"
    assert result["directory"] == str(home / "data" / "tiny-1.0.0")
    assert "PASS min_rows" in told


def test_a_project_that_fails_ends_with_1_and_the_checks(run_job, project, write_reviews):
    write_reviews([("fine", "positive"), ("bad", "dreadful")])
    code, result, told = run_job("check-data", project)

    assert code == 1
    assert result["outcome"] == "FAIL"
    failed = {check["name"] for check in result["checks"] if check["outcome"] == "FAIL"}
    assert failed == {"min_rows", "label of main", "min_label_pct"}
    assert "row 2 of films" in told
    assert "dreadful" not in told


def test_a_csv_can_be_tried_without_preparing_anything(run_job, project, home, tmp_path):
    other = tmp_path / "more.csv"
    other.write_text("text,label\nfine,1\n")
    code, result, _ = run_job("check-data", project, "--csv", other)

    assert code == 1
    assert [c["name"] for c in result["checks"] if c["outcome"] == "FAIL"] == [
        "min_rows",
        "min_label_pct",
    ]
    assert not (home / "data").exists()


def test_a_document_that_is_wrong_is_refused_with_1(run_job, project, change_dataset):
    change_dataset(version="one")
    code, result, told = run_job("check-data", project)

    assert (code, result) == (1, None)
    assert told.startswith("refused: dataset.version is 'one'")


def test_wrong_usage_ends_with_2(run_job):
    code, _, told = run_job("check-everything")

    assert code == 2
    assert "check-data" in told


def test_a_tracking_server_that_is_down_ends_with_3(run_job, project):
    code, result, told = run_job(
        "train", project, "--family", "tfidf_linear", MLFLOW_TRACKING_URI="http://127.0.0.1:9"
    )

    assert (code, result) == (3, None)
    assert "unreachable: the MLflow server" in told


def test_a_token_that_is_missing_is_refused_with_its_path(run_job, home):
    code, _, told = run_job("register", "--model", "sentiment", "--run", "1")

    assert code == 1
    assert f"{home}/tokens/trainer.token cannot be read" in told


def test_the_last_word_of_a_job_is_left_where_kubernetes_shows_it(
    run_job, project, change_dataset, tmp_path
):
    left = tmp_path / "termination-log"
    setting = {"ISOGLOSS_TRAINING_JOBS_LAST_WORD_FILE": str(left)}

    _, result, _ = run_job("check-data", project, **setting)
    assert json.loads(left.read_text()) == result

    change_dataset(version="one")
    run_job("check-data", project, **setting)
    assert left.read_text().startswith("refused: dataset.version is 'one'")


def test_a_result_that_kubernetes_would_cut_is_left_without_its_lists(tmp_path):
    left = tmp_path / "termination-log"

    leave_result(left, {"job": "check-data", "outcome": "PASS", "checks": ["x" * 5000]})

    assert json.loads(left.read_text()) == {
        "job": "check-data",
        "outcome": "PASS",
        "shortened": True,
    }
