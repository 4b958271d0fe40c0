"""Which of MLflow's routes pass: those named here, under both of its prefixes, and no other.

Checked against 3.17.2, which has 410 routes. Bodies are judged in `rules.py`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

PREFIXES = ("/api/", "/ajax-api/")

_READS = """
GET 2.0/mlflow/runs/get
POST 2.0/mlflow/runs/search
GET 2.0/mlflow/metrics/get-history
GET 2.0/mlflow/metrics/get-history-bulk-interval
GET 2.0/mlflow/artifacts/list
GET 2.0/mlflow/experiments/get
GET 2.0/mlflow/experiments/get-by-name
GET 2.0/mlflow/experiments/search
POST 2.0/mlflow/experiments/search
GET 2.0/mlflow/registered-models/get
GET 2.0/mlflow/registered-models/search
GET 2.0/mlflow/registered-models/get-latest-versions
POST 2.0/mlflow/registered-models/get-latest-versions
GET 2.0/mlflow/registered-models/alias
GET 2.0/mlflow/model-versions/get
GET 2.0/mlflow/model-versions/search
GET 2.0/mlflow/model-versions/get-download-uri
GET 2.0/mlflow/logged-models/{id}
GET 2.0/mlflow/logged-models/{id}/artifacts/directories
POST 2.0/mlflow/logged-models/search
GET 2.0/mlflow-artifacts/artifacts
GET 2.0/mlflow-artifacts/artifacts/{path}
GET 3.0/mlflow/server-info
GET 3.0/mlflow/server-features
"""
_WRITES = """
POST 2.0/mlflow/runs/create
POST 2.0/mlflow/runs/update
POST 2.0/mlflow/runs/delete
POST 2.0/mlflow/runs/restore
POST 2.0/mlflow/runs/log-metric
POST 2.0/mlflow/runs/log-parameter
POST 2.0/mlflow/runs/log-batch
POST 2.0/mlflow/runs/log-inputs
POST 2.0/mlflow/runs/log-model
POST 2.0/mlflow/runs/outputs
POST 2.0/mlflow/runs/set-tag
POST 2.0/mlflow/runs/delete-tag
POST 2.0/mlflow/experiments/create
POST 2.0/mlflow/experiments/update
POST 2.0/mlflow/experiments/set-experiment-tag
POST 2.0/mlflow/registered-models/create
PATCH 2.0/mlflow/registered-models/update
POST 2.0/mlflow/registered-models/rename
DELETE 2.0/mlflow/registered-models/delete
POST 2.0/mlflow/registered-models/set-tag
DELETE 2.0/mlflow/registered-models/delete-tag
POST 2.0/mlflow/registered-models/alias
DELETE 2.0/mlflow/registered-models/alias
POST 2.0/mlflow/model-versions/create
PATCH 2.0/mlflow/model-versions/update
DELETE 2.0/mlflow/model-versions/delete
POST 2.0/mlflow/model-versions/set-tag
DELETE 2.0/mlflow/model-versions/delete-tag
POST 2.0/mlflow/logged-models
PATCH 2.0/mlflow/logged-models/{id}
DELETE 2.0/mlflow/logged-models/{id}
PATCH 2.0/mlflow/logged-models/{id}/tags
DELETE 2.0/mlflow/logged-models/{id}/tags/{key}
POST 2.0/mlflow/logged-models/{id}/params
PUT 2.0/mlflow-artifacts/artifacts/{path}
DELETE 2.0/mlflow-artifacts/artifacts/{path}
"""
_INSTEAD = (
    (
        r"transition-stage|model-versions/.*stage",
        "stages are the ledger's: POST /v1/models/MODEL/transitions (isogloss models promote)",
    ),
    (
        r"mpu/|presigned",
        "PUT or GET 2.0/mlflow-artifacts/artifacts/PATH (unset MLFLOW_ENABLE_PROXY_MULTIPART_*)",
    ),
    (r"upload-artifact", "PUT 2.0/mlflow-artifacts/artifacts/PATH"),
    (
        r"get-artifact",
        "GET 2.0/mlflow-artifacts/artifacts/PATH, GET /v1/artifacts/DIGEST/files/NAME",
    ),
    (
        r"experiments/(delete|restore)|delete-experiment-tag",
        "POST 2.0/mlflow/runs/delete for single runs: an experiment may hold a version's run",
    ),
    (r"webhooks?", "GET /v1/models/MODEL/history: MLflow's webhooks get lost and see no Stage"),
    (r"traces?|spans|assessments|sessions", "isogloss drift status: traces hold texts"),
    (r"graphql", "POST 2.0/mlflow/runs/search, GET 2.0/mlflow/model-versions/search"),
    (r"gateway|scorers|jobs|evaluat|judges|issues", "isogloss evaluate, isogloss models why"),
)
_OTHERWISE = "GET /v1/models for the ledger; README.md of registry-proxy lists what passes"


@dataclass(frozen=True)
class Matched:
    """A route that passes: its line above, whether it writes, and what its path names."""

    route: str
    writes: bool
    named: Mapping[str, str]

    @property
    def streams(self) -> bool:
        """Tell whether its body is a file's bytes and not JSON."""
        return self.route.startswith("PUT ")


def match(method: str, path: str) -> Matched | None:
    """Find the route of a canonical path, None where none passes."""
    rest = next((path.removeprefix(p) for p in PREFIXES if path.startswith(p)), None)
    if rest is None:
        return None
    for route, pattern, writes in _routes():
        found = pattern.fullmatch(f"{method} {rest}")
        if found:
            return Matched(route, writes, found.groupdict())
    return None


def instead_of(path: str) -> str:
    """Say which call to use in place of one that does not pass."""
    found = (text for pattern, text in _INSTEAD if re.search(pattern, path, re.IGNORECASE))
    return next(found, _OTHERWISE)


@cache
def _routes() -> tuple[tuple[str, re.Pattern[str], bool], ...]:
    return (*_compiled(_READS, writes=False), *_compiled(_WRITES, writes=True))


def _compiled(table: str, *, writes: bool) -> Iterator[tuple[str, re.Pattern[str], bool]]:
    for route in table.split("\n"):
        if route:
            pattern = re.escape(route).replace(r"\ ", " ")
            pattern = pattern.replace(r"\{path\}", "(?P<path>.+)")
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern)
            yield route, re.compile(pattern), writes
