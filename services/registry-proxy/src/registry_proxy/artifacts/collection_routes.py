"""Clearing the artifact store over HTTP, and what was cleared as metrics."""

from dataclasses import asdict
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends

from registry_proxy.artifacts.collect import Collected, Collector
from registry_proxy.artifacts.schemas import CollectBody
from servicekit.callers import Caller, Callers, caller_dependency
from servicekit.problems import problem_answers


class Observer(Protocol):
    """Who is told of a collection."""

    def observe_collection(self, collected: Collected) -> None:
        """Count what was removed and what was left."""
        ...


def collection_routes(collector: Collector, callers: Callers, observer: Observer) -> APIRouter:
    """Return the route that operators call."""
    router = APIRouter(responses=problem_answers(400, 401, 403, 413, 422, 503))
    operator = Annotated[Caller, Depends(caller_dependency(callers, "operator"))]

    @router.post("/v1/artifacts/collections")
    def collect(_caller: operator, body: CollectBody) -> dict[str, Any]:
        collected = collector.collect(body.older_than_hours * 3600, dry_run=body.dry_run)
        if not body.dry_run:
            observer.observe_collection(collected)
        return {
            "dry_run": body.dry_run,
            "removed": [asdict(each) for each in collected.removed],
            "spared": [asdict(each) for each in collected.spared],
            "named": collected.named,
            "freed_bytes": collected.freed_bytes,
        }

    return router
