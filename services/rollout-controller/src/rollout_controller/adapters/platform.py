"""What differs between one machine and a cluster: these ports, and what runs beside the loops."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from rollout_controller.mirror_arrivals import MirrorArrivals
from rollout_controller.ports import (
    CandidateMetrics,
    Gateway,
    Leadership,
    ServedModels,
    Workloads,
)
from servicekit.callers import Callers


@dataclass(frozen=True)
class Platform:
    """One platform's adapters. `mirror_arrivals` is where a gateway's probe requests are counted,
    where it has to prove that it mirrors. `beside` runs as long as the loops do and until they have
    ended; `close` gives connections back after that.
    """

    gateway: Gateway
    workloads: Workloads
    metrics: CandidateMetrics
    served_models: ServedModels
    leadership: Leadership
    callers: Callers
    beside: Callable[[], Coroutine[Any, Any, None]]
    close: Callable[[], Awaitable[None]]
    mirror_arrivals: MirrorArrivals | None = None
