"""What every implementation of `artifacts.ports.Runs` does; MLflow's own edges below."""

import pytest

from registry_proxy.adapters.mlflow import MlflowRuns
from registry_proxy.artifacts.ports import RunFile, RunsUnavailable, RunUnknown

FILES = {"manifest.json": b"{}", "model.skops": b"x" * 700_000, "sub/more.json": b"[]"}
TAGS = {"dataset_version": "1.0.0", "prompt_version": "none", "commit": "abc123"}


@pytest.fixture(params=["fake", "mlflow"])
def logged(request, make):
    """Runs with one run logged, and its id."""
    if request.param == "fake":
        fake = make.FakeRuns()
        fake.add(make.a_run("r1", tags=TAGS), "model", FILES)
        yield fake, "r1"
        return
    server = request.getfixturevalue("mlflow")
    runs = MlflowRuns(server.url)
    yield runs, server.log(lambda _run: FILES, tags=TAGS)
    runs.close()


def test_a_run_is_read_with_what_was_logged(logged):
    runs, run_id = logged

    run = runs.run(run_id)

    assert (run.id, run.status) == (run_id, "FINISHED")
    assert {key: run.tags[key] for key in TAGS} == TAGS
    assert run.params == {"family": "tfidf_linear"}
    assert run.metrics["f1_macro"] == 0.9
    assert run.metrics["broken"] != run.metrics["broken"]  # NaN


def test_files_are_listed_with_those_in_folders_below(logged):
    runs, run_id = logged

    assert runs.files(run_id, "model") == (
        RunFile("manifest.json", 2),
        RunFile("model.skops", 700_000),
        RunFile("sub/more.json", 2),
    )
    assert runs.files(run_id, "elsewhere") == ()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_byte_for_byte(logged, name):
    runs, run_id = logged

    assert b"".join(runs.read(run_id, f"model/{name}")) == FILES[name]


def test_what_is_not_there_is_unknown(logged):
    runs, run_id = logged

    with pytest.raises(RunUnknown):
        runs.run("0" * 32)
    with pytest.raises(RunUnknown):
        runs.files("0" * 32, "model")
    with pytest.raises(RunUnknown):
        next(runs.read(run_id, "model/other.json"))


class TestMlflow:
    def test_a_path_that_leaves_the_run_is_unknown(self, mlflow):
        runs = MlflowRuns(mlflow.url)
        run_id = mlflow.log(lambda _run: FILES)

        with pytest.raises(RunUnknown, match="Invalid path"):
            next(runs.read(run_id, "../../../mlflow.db"))
        runs.close()

    def test_a_server_that_is_not_there_is_unavailable(self):
        runs = MlflowRuns("http://127.0.0.1:9", timeout_seconds=1)

        with pytest.raises(RunsUnavailable, match="start it and try again"):
            runs.run("r1")
        with pytest.raises(RunsUnavailable, match="start it and try again"):
            next(runs.read("r1", "model/manifest.json"))
        runs.close()

    def test_a_page_that_is_not_mlflows_is_unavailable(self, mlflow):
        runs = MlflowRuns(f"{mlflow.url}/static-files")

        with pytest.raises(RunsUnavailable):
            runs.run("r1")
        runs.close()
