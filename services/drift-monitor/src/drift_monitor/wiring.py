"""What all routes work with: the parts, who may call, the tables in a thread."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Request, Security

from drift_monitor.intake import Intake
from drift_monitor.metrics import Metrics
from drift_monitor.mirrored import Settled
from drift_monitor.ports import Store, StoreUnavailable, Transaction
from drift_monitor.recent import Recent
from drift_monitor.shelf import Shelf
from drift_monitor.watch_quality import Promise
from drift_monitor.windows import Times
from servicekit.callers import BEARER, Callers, caller_dependency
from servicekit.problems import Problem, problem_answers
from servicekit.signing import Signer

_Answer = TypeVar("_Answer")
ANSWERS = problem_answers(401, 403, 422, 503)
"""What every route for callers may answer."""
UNKNOWN = problem_answers(404)
WITH_BODY = problem_answers(400, 413)
RETRY_AFTER = {"Retry-After": "2"}


@dataclass(frozen=True)
class Parts:
    """What the routes work with."""

    intake: Intake
    store: Store
    shelf: Shelf
    callers: Callers
    signer: Signer
    metrics: Metrics
    clock: Callable[[], float]
    times: Times
    promise: Promise
    recent: Recent = field(default_factory=Recent)

    def settled(self) -> Settled:
        """Return the arrival time from which on an answer may still be waiting for its pair."""
        lag = self.times.pair_lag_seconds
        return Settled(self.intake.counted_until(self.clock()) - lag, lag)


def _state(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


# Not a plain function: those are called in a thread, which took a tenth of taking a batch.
async def _parts(request: Request) -> Parts:
    return _state(request)


def role(*roles: str) -> Any:
    """Return the dependency by which a route is for callers with one of these roles."""

    async def require(
        request: Request, _for_the_document: Annotated[object, Security(BEARER)] = None
    ) -> None:
        await caller_dependency(_state(request).callers, *roles)(request)

    return Depends(require)


Wired = Annotated[Parts, Depends(_parts)]
ModelName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
RolloutName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


async def read(parts: Parts, use: Callable[[Transaction], _Answer]) -> _Answer:
    """Read the tables in a thread."""

    def run() -> _Answer:
        with parts.store.read() as transaction:
            return use(transaction)

    return await in_thread(run)


async def write(parts: Parts, use: Callable[[Transaction], _Answer]) -> _Answer:
    """Write the tables in a thread."""

    def run() -> _Answer:
        with parts.store.begin() as transaction:
            return use(transaction)

    return await in_thread(run)


async def in_thread(run: Callable[[], _Answer]) -> _Answer:
    """Run in a thread; 503 while the database refuses."""
    try:
        return await asyncio.to_thread(run)
    except StoreUnavailable as error:
        raise Problem(
            503, "store-unavailable", "Database unavailable", str(error), headers=RETRY_AFTER
        ) from error
