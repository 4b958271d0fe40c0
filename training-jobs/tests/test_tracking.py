"""What a tracker promises, held by the fake and by the adapter on a real MLflow server."""

import gc
from dataclasses import dataclass

import httpx
import pytest

from training_jobs.refusals import JobRefused, Unreachable

# MLflow's client leaves its connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@dataclass
class Logged:
    status: str
    name: str
    tags: dict
    params: dict
    metrics: dict
    files: set


class FakeReader:
    def __init__(self, tracker):
        self.tracker = tracker

    def read(self, run_id):
        (name, run) = next((k[1], r) for k, r in self.tracker.runs.items() if r.run_id == run_id)
        last = {key: steps[max(steps)] for key, steps in run.metrics.items()}
        return Logged(run.status, name, run.tags, run.params, last, set(run.files))


class MlflowReader:
    """Reads MLflow's own answers, not through the client that wrote them."""

    def __init__(self, url):
        self.client = httpx.Client(base_url=f"{url}/api/2.0/mlflow", timeout=60)

    def read(self, run_id):
        run = self.client.get("/runs/get", params={"run_id": run_id}).json()["run"]
        held = run["data"]
        tags, params, metrics = (
            {item["key"]: item["value"] for item in held.get(kind, [])}
            for kind in ("tags", "params", "metrics")
        )
        return Logged(
            run["info"]["status"],
            run["info"]["run_name"],
            tags,
            params,
            metrics,
            set(self._files(run_id, None)),
        )

    def _files(self, run_id, path):
        asked = {"run_id": run_id} | ({"path": path} if path else {})
        for item in self.client.get("/artifacts/list", params=asked).json().get("files", []):
            if item["is_dir"]:
                yield from self._files(run_id, item["path"])
            else:
                yield item["path"]


@pytest.fixture(params=["fake", "mlflow"])
def tracked(request, fakes):
    """A tracker, and what reads back from it."""
    if request.param == "fake":
        tracker = fakes.FakeTracker()
        yield tracker, FakeReader(tracker)
        return
    url = request.getfixturevalue("mlflow_url")
    reader = MlflowReader(url)
    yield mlflow_tracker(url), reader
    reader.client.close()
    gc.collect()


def mlflow_tracker(url):
    from training_jobs.adapters.tracking import MlflowTracker  # noqa: PLC0415 - takes seconds

    return MlflowTracker(url)


def test_a_run_keeps_what_was_logged_and_is_finished(tracked, tmp_path):
    tracker, reader = tracked
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text("{}")
    (tmp_path / "report.txt").write_text("fine")
    with tracker.run("sentiment", "a-run", {"commit": "c0ffee"}) as run:
        run.log_params({"C": "8.0"})
        run.log_metrics({"training/val_loss": 0.5}, step=0)
        run.log_metrics({"training/val_loss": 0.4}, step=1)
        run.log_metrics({"f1_macro": 0.9, "long/f1_macro": 0.8})
        run.log_files(tmp_path)

    logged = reader.read(run.run_id)
    assert (logged.status, logged.name) == ("FINISHED", "a-run")
    assert logged.tags["commit"] == "c0ffee"
    assert logged.params == {"C": "8.0"}
    expected = {"f1_macro": 0.9, "long/f1_macro": 0.8, "training/val_loss": 0.4}
    assert logged.metrics == pytest.approx(expected)
    assert logged.files == {"report.txt", "model/manifest.json"}


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (JobRefused, "FAILED")]
)
def test_a_run_that_was_broken_off_says_so(tracked, error, status):
    tracker, reader = tracked
    with pytest.raises(error), tracker.run("sentiment", f"ends-{status}", {}) as run:
        raise error

    assert reader.read(run.run_id).status == status


@pytest.mark.parametrize("uri", [None, "mlruns", "sqlite:///mlflow.db"])
def test_a_tracking_address_that_is_no_server_is_refused(uri):
    with pytest.raises(JobRefused, match="MLFLOW_TRACKING_URI"):
        mlflow_tracker(uri)


def test_a_server_that_does_not_answer_is_said_to_be_unreachable_at_once():
    tracker = mlflow_tracker("http://127.0.0.1:9")

    with (
        pytest.raises(Unreachable, match="is it running"),
        tracker.run("sentiment", "never", {}),
    ):
        pytest.fail("the run was opened")
