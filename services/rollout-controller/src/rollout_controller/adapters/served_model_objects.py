"""The ServedModels port on the custom resource, listed anew at each look.

A list of a namespace's few ServedModels comes from the API server's cache and costs less than a
watch that has to be kept alive. What the API server adds to a document is taken away before it is
read; generations and times of change are added to the status here. A status whose texts and counts
alone have moved is shown only every few seconds, since each showing is a write.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lifecycle.documents import DocumentRefused
from lifecycle.served_models import ServedModel, read_served_model
from rollout_controller.adapters.phase_events import event_of
from rollout_controller.ports import ServedModelsRead, ServedModelsUnreachable
from servicekit.kubernetes_api import KubernetesApi, KubernetesFault, ObjectMissing, core, grouped

VERSION = "isogloss.dev/v1alpha1"
_KIND = "ServedModel"
_PLURAL = "servedmodels"
_EVERY_SECONDS = 1.0
_TEXTS_EVERY_SECONDS = 10.0
_log = logging.getLogger(__name__)
_TEXTS = frozenset({"message", "verdictReasons", "canary"})


@dataclass(frozen=True)
class _Shown:
    status: Mapping[str, Any]
    generation: int
    at: float


class ServedModelObjects:
    """Implements `ports.ServedModels`; `clock` gives seconds and never goes back."""

    def __init__(
        self, api: KubernetesApi, namespace: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._good: dict[str, ServedModel] = {}
        self._found: dict[str, Mapping[str, Any]] = {}
        self._shown: dict[str, _Shown] = {}

    async def read(self) -> ServedModelsRead:
        """Return all ServedModels of the namespace and every one that was refused."""
        try:
            items = await self._api.list(grouped(VERSION, self._namespace, _PLURAL))
        except KubernetesFault as error:
            raise ServedModelsUnreachable(str(error)) from error
        self._found = {item["metadata"]["name"]: item for item in items}
        refused: dict[str, str] = {}
        for kept in (self._good, self._shown):
            for gone in kept.keys() - self._found.keys():
                del kept[gone]
        for name, item in self._found.items():
            try:
                self._good[name] = _possible(read_served_model(_written(name, item)))
            except DocumentRefused as error:
                refused[name] = str(error)
        published = {name: item.get("status", {}) for name, item in self._found.items()}
        return ServedModelsRead(dict(self._good), refused, published)

    async def publish(self, model: str, status: Mapping[str, Any]) -> None:
        """Write the status, unless it stands there already."""
        found = self._found.get(model)
        if found is None or not self._is_due(model, status, found["metadata"]["generation"]):
            return
        generation = found["metadata"]["generation"]
        path = grouped(VERSION, self._namespace, _PLURAL, model) + "/status"
        said = {"apiVersion": VERSION, "kind": _KIND, "metadata": {"name": model}}
        event = event_of({"apiVersion": VERSION, "kind": _KIND, **found}, status, datetime.now(UTC))
        try:
            dated = _dated(status, found.get("status", {}), generation)
            self._found[model] = await self._api.apply(path, {**said, "status": dated})
        except ObjectMissing:
            return  # it was deleted since it was listed
        except KubernetesFault as error:
            raise ServedModelsUnreachable(str(error)) from error
        self._shown[model] = _Shown(status, generation, self._clock())
        if event:
            await self._tell(event)

    async def _tell(self, event: Any) -> None:
        try:
            await self._api.create(core(self._namespace, "events"), event)
        except KubernetesFault as error:
            _log.warning("event not made", extra={"reason": str(error)})

    def _is_due(self, model: str, status: Mapping[str, Any], generation: int) -> bool:
        shown = self._shown.get(model)
        if shown is None:
            return True
        age = self._clock() - shown.at
        if (status, generation) == (shown.status, shown.generation) or age < _EVERY_SECONDS:
            return False
        moved = generation != shown.generation or _essence(status) != _essence(shown.status)
        return moved or age >= _TEXTS_EVERY_SECONDS


def _possible(model: ServedModel) -> ServedModel:
    """Refuse what no HTTPRoute can say, rather than pass it over."""
    if model.sticky_header:
        raise DocumentRefused(
            f"spec.sticky of {model.name}: the Gateway API cannot keep a user to one of two "
            "weighted versions (it can to one of a version's pods); take it out"
        )
    return model


def _written(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person wrote, as it would stand in a file."""
    metadata = {"name": name}
    return {"apiVersion": VERSION, "kind": _KIND, "metadata": metadata, "spec": item["spec"]}


def _essence(status: Any) -> Any:
    """Return a status without what moves with every request."""
    if isinstance(status, Mapping):
        return {key: _essence(value) for key, value in status.items() if key not in _TEXTS}
    return [_essence(each) for each in status] if isinstance(status, list) else status


def _dated(status: Mapping[str, Any], before: Mapping[str, Any], generation: int) -> dict[str, Any]:
    """Add the generation, and to each condition since when it is as it is."""
    held = {each["type"]: each for each in before.get("conditions", ())}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = []
    for condition in status["conditions"]:
        was = held.get(condition["type"], {})
        same = was.get("status") == condition["status"]
        since = was.get("lastTransitionTime", now) if same else now
        stamps = {"observedGeneration": generation, "lastTransitionTime": since}
        conditions.append({**condition, **stamps})
    return {**status, "observedGeneration": generation, "conditions": conditions}
