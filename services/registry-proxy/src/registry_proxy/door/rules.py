"""What a call that passes must not do: touch what the ledger guards, or point outside of MLflow.

Each rule raises DoorRefused. They hold for the parsed body that is forwarded in our own spelling,
so MLflow reads nothing that was not judged here.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.approvals import AUTHOR_TAG
from registry_proxy.door.allowed import Matched
from registry_proxy.door.paths import PathRefused, canonical_path
from registry_proxy.door.ports import Mlflow, StandingModel

OWN_TAGS = "isogloss."
"""Tags that only this service sets: the author of a run, the digest of a version."""
DIGEST_TAG = "isogloss.digest"
ALIASES = frozenset({"staging", "shadow", "production"})

_RUN = re.compile(r"[0-9a-f]{32}")
_LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}")
_SOURCE = re.compile(
    r"models:/m-[0-9a-f]{32}|models:/[^/\\%#?;]+/\d+|runs:/[0-9a-f]{32}/(?P<run>.+)"
    r"|mlflow-artifacts:/(?P<path>[^/].*)"
)
_PROMPT_TAG = "mlflow.prompt.is_prompt"
_PROMOTE = "POST /v1/models/MODEL/transitions (isogloss models promote), or a rollout"
_NEW_RUN = "log a new run: POST 2.0/mlflow/runs/create"


class DoorRefused(Exception):
    """A call that does not pass: its status, MLflow's word for it, and what to call instead."""

    def __init__(self, status: int, code: str, text: str, instead: str) -> None:
        super().__init__(f"{text}; instead: {instead}")
        self.status = status
        self.code = code
        self.instead = instead


@dataclass(frozen=True)
class Asked:
    """One call: who makes it, its route, its JSON body, and the ledger's models at this moment."""

    caller: str
    matched: Matched
    body: Mapping[str, Any]
    models: Mapping[str, StandingModel]


async def judge_write(asked: Asked, mlflow: Mlflow) -> Mapping[str, Any]:
    """Return the body to forward; raises DoorRefused, MlflowUnavailable."""
    _refuse_own_tags(asked)
    rule = _RULES.get(asked.matched.route)
    if rule:
        await rule(asked, mlflow)
    if asked.matched.route == "POST 2.0/mlflow/runs/create":
        author = {"key": AUTHOR_TAG, "value": asked.caller}
        return {**asked.body, "tags": [*asked.body.get("tags", []), author]}
    return asked.body


def _refuse_own_tags(asked: Asked) -> None:
    tags = asked.body.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise _malformed("tags must be a list of objects")
    keys = [tag.get("key") for tag in tags] + list(asked.body.get("tag_keys", []))
    keys += [asked.body.get("key"), asked.matched.named.get("key")]
    for key in keys:
        if isinstance(key, str) and key.strip().casefold().startswith(OWN_TAGS):
            raise _refused(f"tag {key} is set by the registry-proxy only", "another tag's name")


async def _keep_run(asked: Asked, _mlflow: Mlflow) -> None:
    run = str(asked.body.get("run_id", "")).strip().casefold()
    if run in _guarded(asked):
        raise _conflict(f"run {run} is a staged version's", _NEW_RUN)


async def _keep_place(asked: Asked, _mlflow: Mlflow) -> None:
    if asked.body.get("artifact_location"):
        raise _refused(
            "an experiment's artifacts lie where the server keeps all",
            "experiments/create without artifact_location",
        )


async def _keep_model(asked: Asked, _mlflow: Mlflow) -> None:
    for member in ("name", "new_name"):
        name = asked.body.get(member)
        if isinstance(name, str) and _same_name(asked, name):
            raise _conflict(
                f"{name} is a model of the ledger and keeps its name",
                f"POST /v1/models/{name}/transitions to ARCHIVED for single versions",
            )


async def _keep_version(asked: Asked, mlflow: Mlflow) -> None:
    name, version = asked.body.get("name"), asked.body.get("version")
    query = {"name": str(name), "version": str(version)}
    found = await mlflow.ask("GET", "model-versions/get", query)
    held = (found or {}).get("model_version", {})
    if held.get("run_id") in _guarded(asked):
        raise _conflict(f"version {version} of {name} is staged in the ledger", _PROMOTE)


async def _keep_alias(asked: Asked, _mlflow: Mlflow) -> None:
    name, alias = asked.body.get("name"), asked.body.get("alias")
    if not isinstance(name, str) or not isinstance(alias, str):
        raise _malformed("name and alias must be text")
    if alias.casefold() in ALIASES and _same_name(asked, name):
        raise _conflict(f"alias {alias} of {name} follows the ledger", _PROMOTE)


async def _keep_source(asked: Asked, _mlflow: Mlflow) -> None:
    source = asked.body.get("source")
    is_prompt = any(tag.get("key") == _PROMPT_TAG for tag in asked.body.get("tags", []))
    if is_prompt and isinstance(source, str) and ":" not in source and "/" not in source:
        return
    found = _SOURCE.fullmatch(source) if isinstance(source, str) else None
    inner = next((part for part in found.groupdict().values() if part), None) if found else None
    if found is None or (inner and not _is_canonical(inner)):
        raise _refused(
            "a version's source must lie in MLflow",
            "source models:/m-ID, models:/NAME/VERSION, runs:/RUN/PATH or mlflow-artifacts:/PATH",
        )


async def _keep_logged_model(asked: Asked, mlflow: Mlflow) -> None:
    await _refuse_guarded_model(asked, mlflow, asked.matched.named["id"])


async def _keep_artifacts(asked: Asked, mlflow: Mlflow) -> None:
    """An owner's folder must be named, so that no parent of it can be removed."""
    segments = [part.casefold() for part in asked.matched.named["path"].split("/")]
    runs = [part for part in segments if _RUN.fullmatch(part)]
    models = [part for part in segments if _LOGGED_MODEL.fullmatch(part)]
    if not runs and not models:
        raise _refused("no run and no logged model owns this path", "a path below a run's folder")
    for run in runs:
        if run in _guarded(asked):
            raise _conflict(f"the artifacts of run {run} are a staged version's", _NEW_RUN)
    for model in models:
        await _refuse_guarded_model(asked, mlflow, model)


async def _refuse_guarded_model(asked: Asked, mlflow: Mlflow, model: str) -> None:
    if not _LOGGED_MODEL.fullmatch(model.casefold()):
        raise _malformed(f"{model!r} is no logged model's id")
    found = await mlflow.ask("GET", f"logged-models/{model.casefold()}", {})
    if found is None:
        raise DoorRefused(
            404, "RESOURCE_DOES_NOT_EXIST", f"there is no logged model {model}", _NEW_RUN
        )
    run = str(found.get("model", {}).get("info", {}).get("source_run_id", ""))
    if run in _guarded(asked):
        raise _conflict(f"logged model {model} is of a staged version's run {run}", _NEW_RUN)


def _guarded(asked: Asked) -> frozenset[str]:
    return frozenset(run for model in asked.models.values() for run in model.guarded_runs)


def _same_name(asked: Asked, name: str) -> bool:
    return name.strip().casefold() in asked.models


def _is_canonical(path: str) -> bool:
    try:
        return canonical_path(path.encode()) == f"/{path}"
    except PathRefused:
        return False


def _refused(text: str, instead: str) -> DoorRefused:
    return DoorRefused(403, "PERMISSION_DENIED", text, instead)


def _conflict(text: str, instead: str) -> DoorRefused:
    return DoorRefused(409, "INVALID_STATE", text, instead)


def _malformed(text: str) -> DoorRefused:
    return DoorRefused(400, "INVALID_PARAMETER_VALUE", text, "the form that MLflow's client sends")


_Rule = Callable[[Asked, Mlflow], Awaitable[None]]
_RULES: Mapping[str, _Rule] = {
    "POST 2.0/mlflow/runs/delete": _keep_run,
    "POST 2.0/mlflow/experiments/create": _keep_place,
    "POST 2.0/mlflow/registered-models/rename": _keep_model,
    "DELETE 2.0/mlflow/registered-models/delete": _keep_model,
    "POST 2.0/mlflow/registered-models/alias": _keep_alias,
    "DELETE 2.0/mlflow/registered-models/alias": _keep_alias,
    "POST 2.0/mlflow/model-versions/create": _keep_source,
    "DELETE 2.0/mlflow/model-versions/delete": _keep_version,
    "DELETE 2.0/mlflow/logged-models/{id}": _keep_logged_model,
    "PUT 2.0/mlflow-artifacts/artifacts/{path}": _keep_artifacts,
    "DELETE 2.0/mlflow-artifacts/artifacts/{path}": _keep_artifacts,
}
