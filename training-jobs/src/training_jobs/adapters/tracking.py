"""Runs in MLflow, usually through the registry-proxy's door: the only file that knows it."""

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

from servicekit.callers import read_token
from training_jobs.ports import TrackedRun
from training_jobs.refusals import JobRefused, Unreachable
from training_jobs.settings import TrainingSettings

# With MLflow's own seven, a server that went away is noticed after two minutes.
_RETRIES = "3"
_HEALTH_SECONDS = 20.0
_EXISTS = "RESOURCE_ALREADY_EXISTS"
_REFUSALS = frozenset({400, 401, 403, 404, 409, 413})


def open_tracker(given: str | None, settings: TrainingSettings) -> "MlflowTracker":
    """Return the tracker at an address, else at the registry-proxy, which alone gets our token."""
    uri = given or settings.tracking_uri or settings.registry_url
    is_door = uri.rstrip("/") == settings.registry_url.rstrip("/")
    return MlflowTracker(uri, settings.token_of("trainer") if is_door else None)


class MlflowTracker:
    """Implements `ports.Tracker` on the MLflow server, or the door to it, at `uri`.

    The token in `token_file` goes with each call; without one the client's own settings decide.
    """

    def __init__(self, uri: str, token_file: Path | None = None) -> None:
        if not uri.startswith(("http://", "https://")):
            raise JobRefused(
                f"the tracking address is {uri!r}; give the registry-proxy's or an MLflow "
                "server's, such as http://127.0.0.1:8100, by --tracking-uri or MLFLOW_TRACKING_URI"
            )
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _RETRIES)
        # MLflow writes the run's address to stdout, where a job's result belongs.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._server = _Server(uri, token_file)
        self._client = MlflowClient(uri)

    @contextmanager
    def run(self, experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
        """Open a run; it ends FINISHED, KILLED on an interrupt, FAILED on any other error."""
        self._server.refuse_silence()
        with self._server.spoken():
            run_id = self._client.create_run(
                self._experiment(experiment), run_name=name, tags=dict(tags)
            ).info.run_id
        ended = RunStatus.FAILED
        try:
            yield MlflowRun(self._client, self._server, run_id)
            ended = RunStatus.FINISHED
        except KeyboardInterrupt:
            ended = RunStatus.KILLED
            raise
        finally:
            with self._server.spoken():
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


class MlflowRun:
    """Implements `ports.TrackedRun`."""

    def __init__(self, client: MlflowClient, server: "_Server", run_id: str) -> None:
        self._client = client
        self._server = server
        self.run_id = run_id

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log what the run was asked for."""
        with self._server.spoken():
            held = [Param(key, value) for key, value in params.items()]
            self._client.log_batch(self.run_id, params=held)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers that the run measured."""
        now = _milliseconds()
        with self._server.spoken():
            held = [Metric(key, value, now, step) for key, value in metrics.items()]
            self._client.log_batch(self.run_id, metrics=held)

    def log_files(self, directory: Path) -> None:
        """Log every file under a directory as artifacts, by their relative paths."""
        with self._server.spoken():
            self._client.log_artifacts(self.run_id, str(directory))


class _Server:
    """Where MLflow is spoken to, and with whose token."""

    def __init__(self, uri: str, token_file: Path | None) -> None:
        self._uri = uri
        self._token_file = token_file

    @contextmanager
    def spoken(self) -> Iterator[None]:
        """Make calls within: with the token as it is now, since a cluster's are replaced hourly."""
        if self._token_file is not None:
            os.environ["MLFLOW_TRACKING_TOKEN"] = read_token(self._token_file)
        try:
            yield
        except (MlflowException, OSError) as error:
            if _status(error) in _REFUSALS:
                raise JobRefused(f"{self._uri} refuses to log the run: {error}") from error
            raise Unreachable(
                f"the MLflow server at {self._uri} failed: {error}; look at its log"
            ) from error

    def refuse_silence(self) -> None:
        """Raise Unreachable at once where nobody listens."""
        try:
            httpx.get(f"{self._uri.rstrip('/')}/health", timeout=_HEALTH_SECONDS).raise_for_status()
        except httpx.HTTPError as error:
            raise Unreachable(
                f"the MLflow server at {self._uri} did not answer ({error}); is it running?"
            ) from error


def _status(error: MlflowException | OSError) -> int | None:
    """Return the HTTP status of an error: a file's upload raises what requests does, an OSError."""
    response = getattr(error, "response", None)
    if response is not None:
        return int(response.status_code)
    if not isinstance(error, MlflowException):
        return None
    problem: Mapping[str, int] = getattr(error, "json", {})
    code: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return problem.get("status") or code


def _milliseconds() -> int:
    return int(time.time() * 1000)
