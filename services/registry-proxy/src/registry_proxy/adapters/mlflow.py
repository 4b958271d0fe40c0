"""MLflow's tracking server over REST: runs and their artifacts, read only.

Checked against 3.17.2. `get-artifact` is used because it serves a run's file wherever the run's
artifact root is; the server refuses paths and links that leave that root.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from registry_proxy.artifacts.ports import Run, RunFile, RunsUnavailable, RunUnknown

_API = "/api/2.0/mlflow"
_CHUNK_BYTES = 1 << 18
_MOST_FOLDERS = 32
_MOST_FILES = 1000
_HOW_LONG_SECONDS = 30.0
_UNKNOWN = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


class MlflowRuns:
    """Implements `artifacts.ports.Runs` on a tracking server's address."""

    def __init__(self, url: str, timeout_seconds: float = _HOW_LONG_SECONDS) -> None:
        # No proxy from the environment: the server is on the same machine or cluster.
        self._client = httpx.Client(base_url=url, timeout=timeout_seconds, trust_env=False)

    def run(self, run_id: str) -> Run:
        """Fetch a run; a deleted one counts as unknown."""
        found = self._get(f"{_API}/runs/get", {"run_id": run_id})
        try:
            run = found["run"]
            if run["info"]["lifecycle_stage"] != "active":
                raise RunUnknown(f"run {run_id} was deleted in MLflow; restore it there first")
            return _read_run(run)
        except (KeyError, TypeError, ValueError) as error:
            raise RunsUnavailable(f"MLflow described run {run_id} oddly: {error!r}") from error

    def files(self, run_id: str, folder: str) -> tuple[RunFile, ...]:
        """List a folder's files, its sub-folders' too."""
        files: list[RunFile] = []
        waiting, seen = [folder], 0
        while waiting:
            seen += 1
            if seen > _MOST_FOLDERS or len(files) > _MOST_FILES:
                raise RunUnknown(f"{folder!r} of run {run_id} is too large for an artifact")
            for item in self._list(run_id, waiting.pop()):
                if item.get("is_dir"):
                    waiting.append(str(item["path"]))
                else:
                    path = str(item["path"]).removeprefix(f"{folder}/")
                    files.append(RunFile(path, int(item.get("file_size", 0))))
        return tuple(sorted(files, key=lambda file: file.path))

    def read(self, run_id: str, path: str) -> Iterator[bytes]:
        """Stream one file of the run."""
        query = {"run_id": run_id, "path": path}
        try:
            with self._client.stream("GET", "/get-artifact", params=query) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    _refuse(answer)
                yield from answer.iter_bytes(_CHUNK_BYTES)
        except httpx.HTTPError as error:
            raise RunsUnavailable(_unreachable(self._client, error)) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _list(self, run_id: str, folder: str) -> Iterator[Mapping[str, Any]]:
        query = {"run_id": run_id, "path": folder}
        while True:
            page = self._get(f"{_API}/artifacts/list", query)
            yield from page.get("files", [])
            token = page.get("next_page_token")
            if not token:
                return
            query = {**query, "page_token": token}

    def _get(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            answer = self._client.get(path, params=dict(query))
            if answer.status_code != httpx.codes.OK:
                _refuse(answer)
            found = answer.json()
        except httpx.HTTPError as error:
            raise RunsUnavailable(_unreachable(self._client, error)) from error
        except ValueError as error:
            raise RunsUnavailable(f"MLflow answered {path} with no JSON: {error}") from error
        if not isinstance(found, dict):
            raise RunsUnavailable(f"MLflow answered {path} with no JSON object")
        return found


def _read_run(run: Mapping[str, Any]) -> Run:
    content = run.get("data", {})
    return Run(
        id=str(run["info"]["run_id"]),
        status=str(run["info"]["status"]),
        tags={str(each["key"]): str(each["value"]) for each in content.get("tags", [])},
        params={str(each["key"]): str(each["value"]) for each in content.get("params", [])},
        # A NaN comes as text.
        metrics={str(each["key"]): float(each["value"]) for each in content.get("metrics", [])},
    )


def _refuse(answer: httpx.Response) -> None:
    """Raise for an answer that is no success."""
    try:
        told = answer.json()
        code, text = told.get("error_code"), told.get("message")
    except (ValueError, AttributeError):
        code, text = None, None
    if code in _UNKNOWN:
        raise RunUnknown(f"MLflow: {text}")
    raise RunsUnavailable(
        f"MLflow answered {answer.status_code}: {text or answer.text[:200]}; look at its log"
    )


def _unreachable(client: httpx.Client, error: Exception) -> str:
    return f"MLflow at {client.base_url} cannot be reached ({error!r}); start it and try again"
