"""The Gateway port on a cluster's Gateway API: one HTTPRoute per model, applied whole.

Marker and weights change in one write because both stand in one object. What is in effect is what
the gateway's controller says of the object's present generation.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lifecycle.rollouts import Colour
from lifecycle.served_models import ServedModel
from rollout_controller.adapters.gateway_statistics import GatewayStatistics
from rollout_controller.adapters.http_routes import (
    GROUP_VERSION,
    Document,
    GatewayPlace,
    http_route,
    is_ours,
    read_route,
    revision,
    route_effect,
)
from rollout_controller.adapters.mirror_probe import MirrorProbe
from rollout_controller.ports import Effect, GatewayUnreachable, Mirroring, RouteMoved
from rollout_controller.route_objects import HeldRoute, Route
from servicekit.kubernetes_api import (
    KubernetesApi,
    KubernetesFault,
    ObjectConflict,
    ObjectMissing,
    grouped,
)

_FIRST_LOOK_SECONDS = 0.01
_LONGEST_LOOK_SECONDS = 0.1
"""A gateway is seen to need 10 to 30 ms; one that needs longer is asked less often."""

_TRIES = 5
"""The gateway's controller writes the status between our reading and writing; rarely twice."""


class GatewayApi:
    """Implements `ports.Gateway`; the only writer of the HTTPRoutes that it names."""

    def __init__(
        self,
        api: KubernetesApi,
        place: GatewayPlace,
        probe: MirrorProbe,
        statistics: GatewayStatistics | None = None,
    ) -> None:
        self._api = api
        self._place = place
        self._probe = probe
        self._statistics = statistics

    async def read(self, model: str) -> HeldRoute | None:
        """Return the Route in the annotation; None also where somebody took that away."""
        document = await self._get(model)
        if document is None:
            return None
        route = read_route(document)
        if route:
            return HeldRoute(route, revision(document))
        self._refuse_strangers(document)
        return None

    async def write(self, route: Route, expected: str | None) -> None:
        """Apply the route; without `expected` by one request, which nothing comes before."""
        if expected is None:
            await self._apply(route)
            return
        for _ in range(_TRIES):
            held = await self._get(route.model)
            if held is None or revision(held) != expected:
                break
            try:
                await self._apply(route, held["metadata"]["resourceVersion"])
            except RouteMoved:
                continue  # perhaps only its status was
            return
        raise RouteMoved(f"{self._place.name_of(route.model)} was written since it was read")

    async def wait_in_effect(self, model: str, seconds: float) -> Effect:
        """Read the object until its status confirms the present generation."""
        deadline = asyncio.get_running_loop().time() + seconds
        pause = _FIRST_LOOK_SECONDS
        while True:
            effect = await self._effect(model)
            if effect and effect.reached:
                return effect
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)
        if effect is None:
            raise GatewayUnreachable(
                f"the controller of Gateway {self._place.gateway} has not answered for "
                f"{self._place.name_of(model)} since it was written; look at its pods"
            )
        return effect

    async def mirroring(self, served: ServedModel) -> Mirroring:
        """Return what the Gateway's class lists, or what probe requests proved."""
        return await self._probe.mirroring(served.mirror_percent)

    async def mirrored(self, model: str, colour: Colour) -> Mapping[str, int]:  # noqa: ARG002 - one mirror a route
        """Return what the Gateway's Envoys counted, where they can be asked."""
        if self._statistics is None:
            raise GatewayUnreachable(
                f"what {self._place.gateway} mirrored of {model} is not known: no setting says "
                "where its statistics are"
            )
        return await self._statistics.mirrored(model)

    async def remove(self, model: str) -> None:
        """Delete the model's HTTPRoute, if it is ours."""
        document = await self._get(model)
        if document and is_ours(document):
            with _faults():
                await self._api.delete(self._path(model), document["metadata"]["uid"])

    async def _effect(self, model: str) -> Effect | None:
        document = await self._get(model)
        if document is None:
            text = f"{self._place.name_of(model)} is gone; it is written again"
            return Effect(reached=False, reason=text)
        return route_effect(document, self._place)

    async def _get(self, model: str) -> Document | None:
        with _faults():
            try:
                return await self._api.get(self._path(model))
            except ObjectMissing:
                return None

    async def _apply(self, route: Route, version: str | None = None) -> None:
        item = http_route(route, self._place)
        if version:
            item["metadata"]["resourceVersion"] = version
        with _faults():
            await self._api.apply(self._path(route.model), item)

    def _path(self, model: str) -> str:
        return grouped(GROUP_VERSION, self._place.namespace, "httproutes", model)

    def _refuse_strangers(self, document: Document) -> None:
        if not is_ours(document):
            name = self._place.name_of(document["metadata"]["name"])
            raise GatewayUnreachable(
                f"{name} is there and not Isogloss's: rename it, or the ServedModel"
            )


@contextmanager
def _faults() -> Iterator[None]:
    """Say the API server's faults in the port's words."""
    try:
        yield
    except ObjectConflict as error:
        raise RouteMoved(str(error)) from error
    except KubernetesFault as error:
        raise GatewayUnreachable(str(error)) from error
