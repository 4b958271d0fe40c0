"""What a cluster's Envoys say they mirrored, read from their statistics (Prometheus text format).

A Gateway has several Envoys, each of which counts its own copies, so every address of one name is
asked: a headless Service. One that does not answer makes the whole count unknown, because the sum
of the others would hide what it lost. Clusters are named as Envoy Gateway names them.
"""

import asyncio
import re
import socket
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from rollout_controller.ports import GatewayUnreachable

_SENT = re.compile(
    r"envoy_cluster_upstream_(rq_total|rq_pending_failure_eject|rq_pending_overflow"
    r"|rq_active_overflow|cx_none_healthy)(_total)?[{ ]"
)
_NAME = "envoy_cluster_name"
_TIMEOUT_SECONDS = 1.0


class GatewayStatistics:
    """The statistics pages behind one `host:port`; `namespace` is where the HTTPRoutes are."""

    def __init__(self, address: str, namespace: str) -> None:
        self._address = address
        self._namespace = namespace
        self._pages = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._pages.aclose()

    async def mirrored(self, model: str) -> Mapping[str, int]:
        """Return the copies of a model's requests by the Envoy that made them."""
        ours = re.compile(rf"httproute/{self._namespace}/{re.escape(model)}/rule/\d+-mirror-\d+")
        try:
            urls = await self._urls()
            pages = await asyncio.gather(*(self._read(url) for url in urls))
            sums = {url: _sum(page, ours) for url, page in zip(urls, pages, strict=True)}
        except (OSError, httpx.HTTPError, ValueError) as error:
            raise GatewayUnreachable(
                f"the gateway's statistics at {self._address} cannot be read ({error!r})"
            ) from error
        counted = {url: count for url, count in sums.items() if count is not None}
        if not counted:
            raise GatewayUnreachable(f"no Envoy at {self._address} counts a mirror of {model} yet")
        return counted

    async def _urls(self) -> list[str]:
        host, _, port = self._address.rpartition(":")
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        hosts = sorted({str(address[4][0]) for address in found})
        return [
            f"http://{f'[{each}]' if ':' in each else each}:{port}/stats/prometheus"
            for each in hosts
        ]

    async def _read(self, url: str) -> str:
        answer = await self._pages.get(url, params={"filter": "upstream_(rq|cx)"})
        answer.raise_for_status()
        return answer.text


def _sum(page: str, ours: re.Pattern[str]) -> int | None:
    """Add up one Envoy's copies; None where it knows no such mirror yet."""
    lines = "\n".join(line for line in page.splitlines() if _SENT.match(line))
    found = [
        sample.value
        for family in text_string_to_metric_families(lines + "\n")
        for sample in family.samples
        if ours.fullmatch(sample.labels.get(_NAME, ""))
    ]
    return int(sum(found)) if found else None
