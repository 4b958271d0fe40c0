"""The Workloads port on KServe: one InferenceService for each colour of a model.

The InferenceService is written last: a colour has its version only once our Service and budget
stand, and what was written in part is seen as missing. What was refused is the colour's reason
until it is accepted. Since when a colour is ready is known from here on only.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.rollouts import Colour
from lifecycle.served_models import ServedModel
from rollout_controller.adapters.held_nodes import HeldNodes
from rollout_controller.adapters.inference_services import (
    FIELD_MANAGER,
    KSERVE,
    MANAGED_BY,
    SERVICE_PORT,
    Predictor,
    PredictorPlace,
    colour_name,
    disruption_budget,
    inference_service,
    own_service,
    predictor_of,
    read_inference_service,
)
from rollout_controller.adapters.kserve_warnings import KServeWarnings
from rollout_controller.adapters.workload_facts import Workload
from rollout_controller.adapters.workload_looks import WorkloadLooks, ours
from rollout_controller.ports import ColourState, WorkloadsRefused, WorkloadsUnreachable
from servicekit.kubernetes_api import (
    ApiRefused,
    KubernetesApi,
    KubernetesFault,
    ObjectConflict,
    ObjectMissing,
    core,
    grouped,
)

Object = Mapping[str, Any]
_TRIES = 5
"""KServe writes its status into the same object, most often just after it was changed."""


@dataclass(frozen=True)
class _Refusal:
    digest: str
    reason: str


@dataclass(frozen=True)
class _Since:
    ready: bool
    at: float


class KServe:
    """Implements `ports.Workloads`; `clock` gives seconds since the epoch."""

    def __init__(
        self, api: KubernetesApi, place: PredictorPlace, clock: Callable[[], float] = time.time
    ) -> None:
        self._api = api
        self._place = place
        self._clock = clock
        self._looks = WorkloadLooks(api, place.namespace)
        self._nodes = HeldNodes(api, place.namespace, clock)
        self._warnings = KServeWarnings(api, place.namespace, clock)
        self._refusals: dict[tuple[str, Colour], _Refusal] = {}
        self._since: dict[tuple[str, Colour], _Since] = {}
        self._unseen: set[str] = set()

    async def ensure(self, served: ServedModel, colour: Colour, digest: str) -> None:
        """Want a version in a colour."""
        predictor, key = predictor_of(served, colour, digest), (served.name, colour)
        try:
            async with _told():
                await self._apply(own_service(*key))
                await self._apply(disruption_budget(*key, predictor.scale))
                await self._apply(inference_service(predictor, self._place))
        except (WorkloadsRefused, WorkloadsUnreachable) as error:
            self._refusals[key] = _Refusal(digest, str(error))
            raise
        self._refusals.pop(key, None)

    async def settle(self, served: ServedModel, colour: Colour) -> None:
        """Bring bounds, Service and budget to what is wanted; nothing where the colour is gone."""

        def scaled(predictor: Predictor) -> Predictor:
            same = predictor.scale.autoscaler == served.scale.autoscaler
            return replace(predictor, scale=served.scale) if same else predictor

        async with _told():
            predictor = await self._change(served.name, colour, scaled)
            if predictor:
                await self._apply(own_service(served.name, colour))
                await self._apply(disruption_budget(served.name, colour, predictor.scale))

    async def observe(self, model: str) -> Mapping[Colour, ColourState]:
        """Return the colours of a model that something is wanted in, or was refused in."""
        try:
            workloads = await self._looks.look(model)
            holds = [await self._nodes.held_by(workload) for workload in workloads]
            warnings = [await self._warnings.last_about(workload) for workload in workloads]
        except KubernetesFault as error:
            self._unseen.add(model)
            raise WorkloadsUnreachable(str(error)) from error
        states = {
            workload.predictor.colour: self._state(workload, held, warning)
            for workload, held, warning in zip(workloads, holds, warnings, strict=True)
        }
        self._unseen.discard(model)
        for colour in Colour:
            refusal = self._refusals.get((model, colour))
            if refusal and colour not in states:
                states[colour] = self._nothing(model, colour, refusal.reason)
            elif colour not in states:
                self._since.pop((model, colour), None)
        return states

    async def stop(self, model: str, colour: Colour) -> None:
        """Park a colour. Our Service stays, so that no route can name a missing one."""
        self._refusals.pop((model, colour), None)
        async with _told():
            await self._change(model, colour, lambda predictor: replace(predictor, parked=True))

    async def remove(self, model: str) -> None:
        """Delete everything that was made for a model."""
        names = {colour_name(model, colour) for colour in Colour}
        async with _told():
            for kind in ("InferenceService", "PodDisruptionBudget", "Service"):
                for item in await self._api.list(self._path(kind), ours(model)):
                    if item["metadata"]["name"] in names:
                        await self._api.delete(self._path(kind, item["metadata"]["name"]))
        for colour in Colour:
            self._refusals.pop((model, colour), None)

    def _state(self, workload: Workload, held: str, warning: str) -> ColourState:
        predictor, ready = workload.predictor, workload.ready
        key = (predictor.model, predictor.colour)
        refusal = self._refusals.get(key)
        if refusal and refusal.digest == predictor.digest:
            del self._refusals[key]  # another replica's try was accepted
            refusal = None
        return ColourState(
            digest=predictor.digest,
            alive=not workload.ended,
            ready=ready,
            since=self._noted(key, ready),
            address=f"{predictor.name}.{self._place.namespace}.svc:{SERVICE_PORT}",
            metrics_addresses=workload.metrics_addresses,
            reason=refusal.reason if refusal else "" if ready else workload.why_not_ready(warning),
            scale=predictor.scale,
            intact=workload.reachable,
            holds=held,
        )

    def _nothing(self, model: str, colour: Colour, reason: str) -> ColourState:
        since = self._noted((model, colour), ready=False)
        return ColourState("", *(False, False), since, None, (), reason)

    def _noted(self, key: tuple[str, Colour], ready: bool) -> float:  # noqa: FBT001 - one fact of two
        """Return since when a colour is as it is. Time in which nothing was seen does not count."""
        before = self._since.get(key)
        unseen = key[0] in self._unseen and not ready
        if before is None or before.ready is not ready or unseen:
            before = self._since[key] = _Since(ready, self._clock())
        return before.at

    async def _change(
        self, model: str, colour: Colour, changed: Callable[[Predictor], Predictor]
    ) -> Predictor | None:
        """Change what a colour wants, whatever else is written meanwhile; None where it is gone."""
        for _ in range(_TRIES):
            document = await self._find(model, colour)
            if document is None:
                return None
            before = read_inference_service(document)
            wanted = changed(before)
            if wanted == before:
                return wanted
            with suppress(ObjectConflict):
                await self._apply(inference_service(wanted, self._place), document)
                return wanted
        name = colour_name(model, colour)
        raise WorkloadsUnreachable(f"InferenceService {name} is written to without pause")

    async def _find(self, model: str, colour: Colour) -> Object | None:
        path = self._path("InferenceService", colour_name(model, colour))
        try:
            document = await self._api.get(path)
        except ObjectMissing:
            return None
        going = "deletionTimestamp" in document["metadata"]
        return None if going or not _is_ours(document) else document

    async def _apply(self, item: Object, read: Object | None = None) -> None:
        """Write an object of ours; if it was `read`, only unless it was changed since."""
        kind, name = item["kind"], item["metadata"]["name"]
        path = self._path(kind, name)
        if read:
            version = read["metadata"]["resourceVersion"]
            item = {**item, "metadata": {**item["metadata"], "resourceVersion": version}}
        else:
            await self._refuse_foreign(kind, path)
        await self._api.apply(path, item)

    async def _refuse_foreign(self, kind: str, path: str) -> None:
        try:
            there = await self._api.get(path)
        except ObjectMissing:
            return
        name = there["metadata"]["name"]
        if not _is_ours(there):
            raise WorkloadsRefused(
                f"{kind} {name} is there and was not made by the rollout-controller; delete it, or "
                "give the ServedModel another name"
            )
        if "deletionTimestamp" in there["metadata"]:
            raise WorkloadsUnreachable(
                f"{kind} {name} is being deleted and is made anew once it has gone; if that lasts, "
                "see whether KServe's controller runs"
            )

    def _path(self, kind: str, name: str = "") -> str:
        namespace = self._place.namespace
        if kind == "InferenceService":
            return grouped(KSERVE, namespace, "inferenceservices", name)
        if kind == "PodDisruptionBudget":
            return grouped("policy/v1", namespace, "poddisruptionbudgets", name)
        return core(namespace, "services", name)


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Say what the API server answered in the port's words."""
    try:
        yield
    except ApiRefused as error:
        raise WorkloadsRefused(f"the API server refused it: {error}") from error
    except ObjectMissing as error:
        raise WorkloadsRefused(f"{error}; is KServe installed?") from error
    except KubernetesFault as error:
        webhook = "failed calling webhook" in str(error)
        todo = "; see whether KServe's controller runs, whose webhook this is" if webhook else ""
        raise WorkloadsUnreachable(f"{error}{todo}") from error


def _is_ours(document: Object) -> bool:
    labels: Mapping[str, str] = document["metadata"].get("labels", {})
    return labels.get(MANAGED_BY) == FIELD_MANAGER
