"""Runs in MLflow: the only file that knows it."""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus
from mlflow.exceptions import MlflowException

from training_jobs.ports import TrackedRun
from training_jobs.refusals import JobRefused, Unreachable

# With MLflow's own seven, a server that went away is noticed after two minutes.
_RETRIES = "3"
_HEALTH_SECONDS = 20.0
_EXISTS = "RESOURCE_ALREADY_EXISTS"


class MlflowTracker:
    """Implements `ports.Tracker` on the MLflow server at `uri`."""

    def __init__(self, uri: str | None) -> None:
        if uri is None or not uri.startswith(("http://", "https://")):
            raise JobRefused(
                f"the tracking address is {uri!r}; give the MLflow server's, such as "
                "http://127.0.0.1:5001, by --tracking-uri or MLFLOW_TRACKING_URI"
            )
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _RETRIES)
        # MLflow writes the run's address to stdout, where a job's result belongs.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._uri = uri
        self._client = MlflowClient(uri)

    @contextmanager
    def run(self, experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
        """Open a run; it ends FINISHED, KILLED on an interrupt, FAILED on any other error."""
        self._refuse_silence()
        with _spoken(self._uri):
            run_id = self._client.create_run(
                self._experiment(experiment), run_name=name, tags=dict(tags)
            ).info.run_id
        ended = RunStatus.FAILED
        try:
            yield MlflowRun(self._client, self._uri, run_id)
            ended = RunStatus.FINISHED
        except KeyboardInterrupt:
            ended = RunStatus.KILLED
            raise
        finally:
            with _spoken(self._uri):
                self._client.set_terminated(run_id, RunStatus.to_string(ended))

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(name))
        except MlflowException as error:
            # Two first runs of a model at once: the other one made it.
            if error.error_code != _EXISTS:
                raise
            return self._experiment(name)

    def _refuse_silence(self) -> None:
        try:
            httpx.get(f"{self._uri.rstrip('/')}/health", timeout=_HEALTH_SECONDS).raise_for_status()
        except httpx.HTTPError as error:
            raise Unreachable(
                f"the MLflow server at {self._uri} did not answer ({error}); is it running?"
            ) from error


class MlflowRun:
    """Implements `ports.TrackedRun`."""

    def __init__(self, client: MlflowClient, uri: str, run_id: str) -> None:
        self._client = client
        self._uri = uri
        self.run_id = run_id

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log what the run was asked for."""
        with _spoken(self._uri):
            held = [Param(key, value) for key, value in params.items()]
            self._client.log_batch(self.run_id, params=held)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers that the run measured."""
        now = _milliseconds()
        with _spoken(self._uri):
            held = [Metric(key, value, now, step) for key, value in metrics.items()]
            self._client.log_batch(self.run_id, metrics=held)

    def log_files(self, directory: Path) -> None:
        """Log every file under a directory as artifacts, by their relative paths."""
        with _spoken(self._uri):
            self._client.log_artifacts(self.run_id, str(directory))


@contextmanager
def _spoken(uri: str) -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        raise Unreachable(f"the MLflow server at {uri} failed: {error}; look at its log") from error


def _milliseconds() -> int:
    return int(time.time() * 1000)
