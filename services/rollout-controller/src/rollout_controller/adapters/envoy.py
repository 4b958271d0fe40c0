"""The Gateway port on a local Envoy that watches two files.

A file is replaced whole by a rename in its directory, which Envoy notices. Clusters are written
and in effect before the routes that name them. What is in effect is asked on the admin page.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lifecycle.rollouts import Colour
from lifecycle.served_models import ServedModel
from rollout_controller.adapters.envoy_clusters import (
    CLUSTERS,
    addresses_in,
    clusters_document,
    mirror_cluster_name,
)
from rollout_controller.adapters.envoy_files import (
    ROUTES,
    bootstrap,
    read_routes,
    revision,
    routes_document,
)
from rollout_controller.adapters.files import write_json
from rollout_controller.ports import Effect, GatewayUnreachable, Mirroring, RouteMoved
from rollout_controller.route_objects import HeldRoute, Route

_LOOK_EVERY_SECONDS = 0.005
_ADMIN_TIMEOUT_SECONDS = 1.0
_CLUSTERS_LIMIT_SECONDS = 2.0
_SENT = (
    "upstream_rq_total",
    "upstream_rq_pending_failure_eject",
    "upstream_rq_pending_overflow",
    "upstream_rq_active_overflow",
    "upstream_cx_none_healthy",
)
"""Every copy is one of these: on a connection, or given up because there was none to be had.
One that waits gets one in time: those before it began earlier, and have no more time than it."""


@dataclass(frozen=True)
class EnvoyPlace:
    """Where Envoy listens, where its admin page is, its files, and its routes' time limit."""

    host: str
    port: int
    admin_port: int
    directory: Path
    timeout_seconds: float


class EnvoyGateway:
    """Implements `ports.Gateway`; the only writer of the files."""

    def __init__(self, place: EnvoyPlace) -> None:
        self._place = place
        self._admin = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{place.admin_port}", timeout=_ADMIN_TIMEOUT_SECONDS
        )
        self._writing = asyncio.Lock()
        self._routes: dict[str, Route] = {}
        self._version = ""

    def prepare(self) -> None:
        """Take over the routes in the files, and write all files so that Envoy can start.

        Raises GatewayUnreachable when the files cannot be read or written.
        """
        place = self._place
        held = self._held()
        admin = ("127.0.0.1", place.admin_port)
        document = bootstrap(str(place.directory.absolute()), (place.host, place.port), admin)
        self._store("bootstrap.yaml", document)
        self._store(CLUSTERS, clusters_document(_ordered(held)))
        self._store_routes(held)

    async def close(self) -> None:
        """Close the connections to the admin page."""
        await self._admin.aclose()

    async def read(self, model: str) -> HeldRoute | None:
        """Return the model's Route as it stands in the files."""
        route = self._routes.get(model)
        return HeldRoute(route, revision(route)) if route else None

    async def write(self, route: Route, expected: str | None) -> None:
        """Replace the model's Route in the files; clusters only where an address is new."""
        async with self._writing:
            held = self._routes.get(route.model)
            if expected is not None and (held is None or revision(held) != expected):
                raise RouteMoved(f"the route of {route.model} was written since it was read")
            routes = {**self._routes, route.model: route}
            if held is None or held.backends != route.backends:
                await self._move_clusters(routes)
            self._store_routes(routes)

    async def wait_in_effect(self, model: str, seconds: float) -> Effect:  # noqa: ARG002 - one file for all
        """Ask Envoy until it has the files' content, which is every model's at once."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            configs = await self._dump("dynamic_route_configs", "version_info")
            if any(config.get("version_info") == self._version for config in configs):
                return Effect(reached=True)
            if asyncio.get_running_loop().time() >= deadline:
                text = "Envoy has not taken the routes over; its log says what it refused"
                return Effect(reached=False, reason=text)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def mirroring(self, served: ServedModel) -> Mirroring:  # noqa: ARG002 - true of all
        """Envoy mirrors any share of requests."""
        return Mirroring(possible=True)

    async def mirrored(self, model: str, colour: Colour) -> Mapping[str, int]:
        """Return what Envoy sent, or could not send, to the colour's cluster of copies."""
        prefix = f"cluster.{mirror_cluster_name(model, colour)}."
        names = [prefix + name for name in _SENT]
        filtered = {"format": "json", "filter": f"^{re.escape(prefix)}({'|'.join(_SENT)})$"}
        stats = (await self._ask("/stats", filtered)).get("stats", [])
        counted = {stat["name"]: int(stat["value"]) for stat in stats if "value" in stat}
        if names[0] not in counted:
            raise GatewayUnreachable(f"Envoy has no statistics of {prefix[:-1]} yet")
        return {"envoy": sum(counted.get(name, 0) for name in names)}

    async def remove(self, model: str) -> None:
        """Drop the model's virtual host, then its clusters."""
        async with self._writing:
            routes = {name: route for name, route in self._routes.items() if name != model}
            self._store_routes(routes)
            self._store(CLUSTERS, clusters_document(_ordered(routes)))

    async def _move_clusters(self, routes: dict[str, Route]) -> None:
        document = clusters_document(_ordered(routes))
        self._store(CLUSTERS, document)
        await self._await_clusters(addresses_in(document["resources"]))

    async def _await_clusters(self, wanted: dict[str, str]) -> None:
        """Wait for new addresses; an Envoy that is not there reads both files when it starts."""
        deadline = asyncio.get_running_loop().time() + _CLUSTERS_LIMIT_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            try:
                configs = await self._dump("dynamic_active_clusters", "cluster")
            except GatewayUnreachable:
                return
            known = addresses_in(config["cluster"] for config in configs)
            if wanted.items() <= known.items():
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _dump(self, resource: str, mask: str) -> list[dict[str, Any]]:
        answer = await self._ask("/config_dump", {"resource": resource, "mask": mask})
        configs: list[dict[str, Any]] = answer.get("configs", [])
        return configs

    async def _ask(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        try:
            answer = await self._admin.get(path, params=params)
            answer.raise_for_status()
            document: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise GatewayUnreachable(
                f"Envoy's admin page on port {self._place.admin_port} does not answer "
                f"({error!r}); start it with {self._place.directory / 'bootstrap.yaml'}"
            ) from error
        return document

    def _store_routes(self, routes: dict[str, Route]) -> None:
        document = routes_document(_ordered(routes), self._place.timeout_seconds)
        self._store(ROUTES, document)
        self._routes, self._version = routes, document["version_info"]

    def _held(self) -> dict[str, Route]:
        directory = self._place.directory
        try:
            routes, clusters = (
                json.loads((directory / name).read_text(encoding="utf-8"))
                for name in (ROUTES, CLUSTERS)
            )
            return read_routes(routes, clusters)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise GatewayUnreachable(
                f"{ROUTES} or {CLUSTERS} in {directory} cannot be read ({error!r}); they hold the "
                "routes and any Marker of a rollback: mend them, or move them away to have them "
                "written anew from the ledger"
            ) from error

    def _store(self, name: str, document: dict[str, Any]) -> None:
        # JSON is YAML, and much faster to write than YAML's own style.
        path = self._place.directory / name
        try:
            write_json(path, document)
        except OSError as error:
            raise GatewayUnreachable(f"{path} cannot be written: {error.strerror}") from error


def _ordered(routes: dict[str, Route]) -> list[Route]:
    return [routes[name] for name in sorted(routes)]
