"""What a tracker promises, held by the fake and by the adapter on a real MLflow server."""

import gc
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


@pytest.mark.parametrize("uri", ["", "mlruns", "sqlite:///mlflow.db"])
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


class Doorkeeper(BaseHTTPRequestHandler):
    """Healthy, refuses every call with `server.problem`, and remembers the tokens it was shown."""

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, {})
            return
        self.server.tokens.append(self.headers["authorization"])
        self.answer(self.server.problem["status"], self.server.problem)

    def answer(self, status, document):
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/problem+json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def doorkeeper(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
    standing = ThreadingHTTPServer(("127.0.0.1", 0), Doorkeeper)
    standing.tokens, standing.problem = [], {"status": 401, "title": "Unauthorized"}
    standing.url = f"http://127.0.0.1:{standing.server_port}"
    thread = threading.Thread(target=standing.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield standing
    standing.shutdown()
    thread.join()
    standing.server_close()


@pytest.fixture
def opened(doorkeeper, home):
    """The tracker of the settings, at an address that is the registry-proxy's or not."""

    def open_it(is_door):
        from training_jobs.adapters.tracking import open_tracker  # noqa: PLC0415 - takes seconds
        from training_jobs.settings import TrainingSettings  # noqa: PLC0415 - as above

        registry = doorkeeper.url if is_door else "http://127.0.0.1:9"
        settings = TrainingSettings(home=home, registry_url=registry, tracking_uri=None)
        return open_tracker(None if is_door else doorkeeper.url, settings)

    return open_it


def write_token(home, token):
    (home / "tokens").mkdir(parents=True, exist_ok=True)
    path = home / "tokens" / "trainer.token"
    path.write_text(token)
    path.chmod(0o600)


def attempt(tracker):
    with tracker.run("sentiment", "a-run", {}):
        pytest.fail("the run was opened")


def test_the_registry_proxy_is_shown_the_token_as_it_is_at_each_call(opened, doorkeeper, home):
    tracker = opened(is_door=True)
    for token in ("first", "second"):
        write_token(home, token)
        with pytest.raises(JobRefused, match="refuses to log the run"):
            attempt(tracker)

    assert doorkeeper.tokens == ["Bearer first", "Bearer second"]


def test_another_tracking_server_is_not_given_our_token(opened, doorkeeper, home):
    write_token(home, "ours")
    with pytest.raises(JobRefused):
        attempt(opened(is_door=False))

    assert doorkeeper.tokens == [None]


def test_what_the_door_refuses_is_said_with_what_to_call_instead(opened, doorkeeper, home):
    write_token(home, "ours")
    doorkeeper.problem = {
        "status": 409,
        "error_code": "INVALID_STATE",
        "message": "run 1 is a staged version's; instead: log a new run",
    }
    with pytest.raises(JobRefused, match="instead: log a new run"):
        attempt(opened(is_door=True))
