"""A fire drill: a version that is known to be bad is rolled out, and has to be found out in time.

Whatever happens, it is not left where users are: too many requests or too much time abort it, and
one that is promoted is rolled back. What it demands is in the ledger afterwards like any Rollout.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from isogloss.adapters.processes import now, pause
from isogloss.clients.rollout_controller import ENDED
from isogloss.connections import Connections
from isogloss.failures import Refused
from isogloss.rollout_lines import status_line

_LOOK_EVERY_SECONDS = 0.25
_FOUND_OUT = ("ABORTED", "ROLLED_BACK")
_REASON = "drill: it was not found out in time"


@dataclass(frozen=True)
class DrillPlan:
    """Which version has to FAIL within how many judged requests, and how long that may take."""

    model: str
    version: str
    within: int
    limit_seconds: float


@dataclass
class _Requests:
    """Requests that the version was judged by: pairs while it shadows, then users' by step."""

    pairs: int = 0
    steps: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.pairs + sum(self.steps.values())

    def see(self, status: Mapping[str, Any], pairs: int) -> None:
        self.pairs = max(self.pairs, pairs)
        if status["phase"] in ("CANARY", "BAKING"):
            step = status["phase"], status["step"]
            self.steps[step] = max(self.steps.get(step, 0), status["canary"]["requests"])


def drill(connections: Connections, plan: DrillPlan, tell: Callable[[str], None]) -> int:
    """Return the requests after which the version was found out; Refused where it was not."""
    baseline = _serving_alone(connections, plan)
    rollout = connections.controller.start(plan.model, plan.version)["rollout"]
    if rollout["baseline"] != baseline:
        raise Refused(f"rollout {rollout['id']} of {plan.model} has another Baseline than users")
    phase, requests = _watch(connections, plan, rollout["id"], tell)
    if phase == "SUCCEEDED":
        connections.controller.rollback(plan.model, "drill: a bad version was promoted")
        raise Refused(
            f"version {plan.version} of {plan.model} was promoted after {requests} requests and is "
            "rolled back: the gate policy lets it through"
        )
    _refuse_other_end(connections, plan, rollout["id"], requests)
    _refuse_other_service(connections, plan, baseline)
    return requests


def _serving_alone(connections: Connections, plan: DrillPlan) -> str:
    """Return the digest that all users get."""
    status = connections.controller.status(plan.model)
    if status["phase"] not in (None, *ENDED):
        raise Refused(f"a rollout of {plan.model} is {status['phase']}: end it before a drill")
    alone = _all_users(status)
    if alone is None:
        raise Refused(f"not all users of {plan.model} get one version: nothing to go back to")
    return alone


def _watch(
    connections: Connections, plan: DrillPlan, rollout: str, tell: Callable[[str], None]
) -> tuple[str, int]:
    deadline, requests, shown = now() + plan.limit_seconds, _Requests(), ""
    while True:
        status = connections.controller.status(plan.model)
        requests.see(status, connections.drift.eligible_pairs(plan.model, rollout))
        if (line := status_line(status)) != shown:
            shown = line
            tell(f"{requests.total} requests: {line}")
        if status["phase"] in ENDED:
            return status["phase"], requests.total
        if requests.total > plan.within or now() > deadline:
            connections.controller.tell_current(plan.model, "abort", _REASON)
            why = f"{requests.total} requests, {plan.within} are allowed"
            raise Refused(
                f"version {plan.version} of {plan.model} was not found out: still "
                f"{status['phase']} after {why}, in at most {plan.limit_seconds:g} s; aborted"
            )
        pause(_LOOK_EVERY_SECONDS)


def _refuse_other_end(
    connections: Connections, plan: DrillPlan, rollout: str, requests: int
) -> None:
    """It must have ended by a FAIL, not by somebody's hand or because it never loaded."""
    ends = [
        entry["body"]
        for entry in connections.registry.history(plan.model)
        if entry["kind"] in ("rollout", "rollback")
        and entry["body"]["rollout"]["id"] == rollout
        and entry["body"]["rollout"]["phase"] in _FOUND_OUT
    ]
    verdict = ends[-1].get("verdict") if ends else None
    if verdict is None or verdict["outcome"] != "FAIL":
        reason = ends[-1].get("reason") if ends else "the ledger does not say why"
        raise Refused(f"the rollout ended without a FAIL: {reason}")
    if requests > plan.within:
        raise Refused(f"it was found out after {requests} requests; {plan.within} are allowed")


def _refuse_other_service(connections: Connections, plan: DrillPlan, baseline: str) -> None:
    served = _all_users(connections.controller.status(plan.model))
    if served != baseline:
        raise Refused(f"users of {plan.model} get {served or 'several versions'}, not {baseline}")


def _all_users(status: Mapping[str, Any]) -> str | None:
    for name, colour in status["colours"].items():
        if status["route"].get(name) == 100:
            return str(colour["digest"])
    return None
