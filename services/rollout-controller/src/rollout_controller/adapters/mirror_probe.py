"""Finds out whether the gateway mirrors, where its class does not say: by requests of our own.

They go through the gateway on a route and path of their own to this service, which counts what
comes of them. Nothing of a model is touched, so a gateway that fails such routes harms nobody.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from rollout_controller.adapters.gateway_mirroring import (
    ProbeWay,
    Sent,
    conclude_probe,
    copies_came,
    listed_mirroring,
    probe_name,
    probe_path,
    probe_route,
    probe_way,
)
from rollout_controller.adapters.http_routes import GROUP_VERSION, GatewayPlace, effect_of
from rollout_controller.mirror_arrivals import Arrival, MirrorArrivals
from rollout_controller.ports import Mirroring
from servicekit.kubernetes_api import KubernetesApi, KubernetesFault, grouped

_BATCHES, _BATCH = 6, 10
"""60 requests: with two replicas, 30 of them come here if nothing is mirrored."""

_EFFECT_LIMIT_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.05
_COPIES_SECONDS = 0.1
"""A copy is sent beside its request; it arrives within milliseconds."""

_REQUEST_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 15.0
"""What was not proven may be mended meanwhile; what was proven stays so for the class."""


@dataclass(frozen=True)
class _Told:
    mirroring: Mirroring
    at: float


def open_client() -> httpx.AsyncClient:
    """Return a client for probe requests: they hold nothing secret, and their host is made up."""
    return httpx.AsyncClient(timeout=_REQUEST_SECONDS, verify=False)  # noqa: S501 - as said


class MirrorProbe:
    """Knows what a class lists, and remembers what was proven of it."""

    def __init__(
        self,
        api: KubernetesApi,
        place: GatewayPlace,
        arrivals: MirrorArrivals,
        requests: Callable[[], httpx.AsyncClient] = open_client,
        patience_seconds: float = _EFFECT_LIMIT_SECONDS,
    ) -> None:
        """`requests` opens the client of one probe; its route gets that long to be in effect."""
        self._api = api
        self._place = place
        self._arrivals = arrivals
        self._requests = requests
        self._patience = patience_seconds
        self._probing = asyncio.Lock()
        self._told: dict[tuple[str, int], _Told] = {}

    async def mirroring(self, percent: int) -> Mirroring:
        """Return whether that share of requests can be mirrored; asks the gateway if it must."""
        try:
            gateway, gateway_class = await self._gateway()
            listed = listed_mirroring(gateway_class, percent)
            if listed:
                return listed
            async with self._probing:
                return await self._remembered(gateway, gateway_class)
        except KubernetesFault as fault:
            return Mirroring(possible=None, reason=str(fault))

    async def _gateway(self) -> tuple[dict[str, Any], dict[str, Any]]:
        place = self._place
        path = grouped(GROUP_VERSION, place.gateway_namespace, "gateways", place.gateway_name)
        gateway = await self._api.get(path)
        name = gateway["spec"]["gatewayClassName"]
        return gateway, await self._api.get(grouped(GROUP_VERSION, "", "gatewayclasses", name))

    async def _remembered(
        self, gateway: dict[str, Any], gateway_class: dict[str, Any]
    ) -> Mirroring:
        key = (gateway_class["metadata"]["uid"], gateway_class["metadata"]["generation"])
        told, now = self._told.get(key), asyncio.get_running_loop().time()
        if told and (told.mirroring.possible or now - told.at < _ASK_AGAIN_SECONDS):
            return told.mirroring
        way = probe_way(gateway, self._place)
        if isinstance(way, str):
            return Mirroring(possible=None, reason=way)
        mirroring = await self._probe(way)
        self._told[key] = _Told(mirroring, asyncio.get_running_loop().time())
        return mirroring

    async def _probe(self, way: ProbeWay) -> Mirroring:
        tag = secrets.token_hex(16)
        async with self._route(tag, way) as refused:
            if refused:
                return Mirroring(possible=None, reason=refused)
            arrivals = self._arrivals.begin(tag)
            try:
                statuses = await self._send(tag, way, arrivals)
            finally:
                self._arrivals.end(tag)
        return conclude_probe(Sent(statuses, arrivals), self._place.gateway)

    @asynccontextmanager
    async def _route(self, tag: str, way: ProbeWay) -> AsyncIterator[str]:
        """Have the probe's route in effect; yields the reason where it is not.

        Only the leading replica probes, so its name is always the same: what a process left that
        ended in the middle of a probe is written over, and removed, by the next one.
        """
        name = probe_name(self._place)
        path = grouped(GROUP_VERSION, self._place.namespace, "httproutes", name)
        try:
            await self._api.apply(path, probe_route(tag, way, self._place))
            yield await self._refusal(path)
        finally:
            await self._api.delete(path)

    async def _refusal(self, path: str) -> str:
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            effect = effect_of(await self._api.get(path), self._place)
            if effect and effect.reached:
                return ""
            if asyncio.get_running_loop().time() >= deadline:
                said = effect.reason if effect else "its controller does not answer"
                return f"the mirror of Gateway {self._place.gateway} cannot be proven: {said}"
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _send(self, tag: str, way: ProbeWay, arrivals: list[Arrival]) -> list[int | None]:
        statuses: list[int | None] = []
        async with self._requests() as client:
            for _ in range(_BATCHES):
                numbers = range(len(statuses), len(statuses) + _BATCH)
                sent = (_ask(client, way, tag, number) for number in numbers)
                statuses += await asyncio.gather(*sent)
                await asyncio.sleep(_COPIES_SECONDS)
                if copies_came(arrivals) or not any(statuses):
                    break
        return statuses


async def _ask(client: httpx.AsyncClient, way: ProbeWay, tag: str, number: int) -> int | None:
    # Some gateways set no id of their own, but pass ours to both.
    headers = {"host": way.host, "x-request-id": f"{tag}-{number}"}
    try:
        answer = await client.post(
            way.url + probe_path(tag),
            params={"number": number},
            headers=headers,
            extensions={"sni_hostname": way.host},
        )
    except httpx.HTTPError:
        return None
    return answer.status_code
