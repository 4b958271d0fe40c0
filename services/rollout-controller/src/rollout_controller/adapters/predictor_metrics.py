"""The CandidateMetrics port on the predictors' own metrics pages (Prometheus text format)."""

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from rollout_controller.ports import MetricsUnreachable
from rollout_controller.tallies import Counters, Reading

_REQUESTS = "isogloss_inference_requests_total"
_LATENCY = "isogloss_inference_request_seconds"
_IN_FLIGHT = "isogloss_inference_in_flight"
_FAILED = frozenset({"error", "overloaded"})
_COUNTED = _FAILED | {"ok"}
"""`rejected` is not here: a caller's own fault says nothing of the Candidate."""

_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class _Page:
    address: str
    counters: Counters
    in_flight: int


class PredictorMetrics:
    """Implements `ports.CandidateMetrics`."""

    def __init__(self) -> None:
        self._pages = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Close the connections to the predictors."""
        await self._pages.aclose()

    async def read(self, addresses: Sequence[str], slow_over_ms: float) -> Reading:
        """Read the pages of the predictors whose second ports are `addresses`.

        One of several that does not answer is left out: its next answer tells what it counted.
        """
        read = await asyncio.gather(*(self._read(each, slow_over_ms) for each in addresses))
        pages = {page.address: page for page in read if isinstance(page, _Page)}
        silent = [each for each in read if isinstance(each, MetricsUnreachable)]
        if silent and not pages:
            raise silent[0]
        counters = {address: page.counters for address, page in pages.items()}
        waiting = sum(page.in_flight for page in pages.values())
        return Reading(counters, None if silent else waiting)

    async def _read(self, address: str, slow_over_ms: float) -> _Page | MetricsUnreachable:
        try:
            return await self._page(address, slow_over_ms)
        except MetricsUnreachable as error:
            return error

    async def _page(self, address: str, slow_over_ms: float) -> _Page:
        try:
            answer = await self._pages.get(f"http://{address}/metrics")
            answer.raise_for_status()
            families = text_string_to_metric_families(answer.text)
            samples = [sample for family in families for sample in family.samples]
        except (httpx.HTTPError, ValueError) as error:
            raise MetricsUnreachable(
                f"http://{address}/metrics cannot be read ({error!r}); look at the predictor's log"
            ) from error
        in_flight = _sum(sample for sample in samples if sample.name == _IN_FLIGHT)
        return _Page(address, _counters(samples, slow_over_ms), in_flight)


def _counters(samples: list[Sample], slow_over_ms: float) -> Counters:
    outcomes = [s for s in samples if s.name == _REQUESTS and s.labels["outcome"] in _COUNTED]
    answered = _sum(s for s in samples if s.name == f"{_LATENCY}_count")
    return Counters(
        requests=_sum(outcomes),
        errors=_sum(s for s in outcomes if s.labels["outcome"] in _FAILED),
        answered=answered,
        over=answered - _within(samples, slow_over_ms),
    )


def _within(samples: list[Sample], limit_ms: float) -> int:
    buckets = [s for s in samples if s.name == f"{_LATENCY}_bucket"]
    exact = [s for s in buckets if math.isclose(float(s.labels["le"]) * 1000, limit_ms)]
    if buckets and not exact:
        raise MetricsUnreachable(
            f"the predictor counts no latencies up to {limit_ms:g} ms; it was started under "
            "another latencyMilliseconds: start the rollout again"
        )
    return _sum(exact)


def _sum(samples: Iterable[Sample]) -> int:
    return int(sum(sample.value for sample in samples))
