"""The rollout-controller's routes: start, pause, resume, abort, roll back, and watch."""

from collections.abc import Callable, Iterator
from typing import Any

from isogloss.adapters.http import Service
from isogloss.adapters.processes import now, pause
from isogloss.failures import Refused, Unreachable
from isogloss.rollout_lines import trouble_of

ENDED = frozenset({"SUCCEEDED", "ABORTED", "ROLLED_BACK"})
_LOOK_EVERY_SECONDS = 0.25
_LOAD_LIMIT_SECONDS = 180.0
"""An earlier Production may have to be loaded before the traffic can go there."""
_RESTART_LIMIT_SECONDS = 120.0
"""A controller that is replaced is away for so long at most; the Rollout waits for it too."""


class RolloutController:
    """The one entry for moving traffic, with the operator's token."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def status(self, model: str) -> Any:
        """Return what is served, where the traffic goes, and why."""
        return self._service.get(f"/v1/models/{model}")

    def plan(self, model: str) -> Any:
        """Return a Rollout's steps with the Gates that decide in each, and what never could."""
        return self._service.get(f"/v1/models/{model}/plan")

    def start(self, model: str, reference: str, *, supersede: bool = False) -> Any:
        """Begin a Rollout of a version in STAGING, if told to in the place of another."""
        body = {"version": reference} | ({"supersede": True} if supersede else {})
        return self._service.post(f"/v1/models/{model}/rollouts", body)

    def tell_current(self, model: str, verb: str, reason: str) -> Any:
        """Pause, resume or abort the Rollout that is under way."""
        return self._service.post(f"/v1/models/{model}/rollouts/current/{verb}", {"reason": reason})

    def rollback(self, model: str, reason: str, to: str | None = None) -> Any:
        """Return the traffic to the Baseline, or to an earlier Production once it is loaded."""
        body = {"reason": reason} | ({"to": to} if to else {})
        path = f"/v1/models/{model}/rollback"
        return self._service.send("POST", path, json=body, timeout=_LOAD_LIMIT_SECONDS).json()

    def watch(self, model: str, limit_seconds: float, tell: Callable[[str], None]) -> Iterator[Any]:
        """Yield the status at every change until the Rollout has ended.

        Survives a restart of the controller. Raises Refused when it takes longer than the limit.
        """
        deadline = now() + limit_seconds
        shown = None
        while True:
            status = self._status_after_restart(model, tell) if shown else self.status(model)
            if (seen := _visible(status)) != shown:
                shown = seen
                yield status
            if status["phase"] in ENDED or status["phase"] is None:
                return
            if now() > deadline:
                raise Refused(
                    f"the rollout of {model} is still {status['phase']} after "
                    f"{limit_seconds:.0f} s; isogloss rollout watch {model} goes on watching, "
                    f"isogloss rollout abort {model} ends it"
                )
            pause(_LOOK_EVERY_SECONDS)

    def _status_after_restart(self, model: str, tell: Callable[[str], None]) -> Any:
        deadline, told = now() + _RESTART_LIMIT_SECONDS, False
        while True:
            try:
                return self.status(model)
            except (Unreachable, Refused) as failure:
                if not _may_pass(failure) or now() > deadline:
                    raise
                if not told:
                    tell(f"{failure}. Asking again for {_RESTART_LIMIT_SECONDS:.0f} s")
                told = True
            pause(_LOOK_EVERY_SECONDS)


def _may_pass(failure: Unreachable | Refused) -> bool:
    """Tell whether a controller that has just started might say so."""
    if isinstance(failure, Unreachable):
        return True
    # One that has not read the ServedModels yet knows no model.
    return failure.slug == "unknown-model" or failure.problem.get("status", 0) >= 500


def _visible(status: Any) -> tuple[Any, ...]:
    outcome = (status.get("verdict") or {}).get("outcome")
    route = tuple(status.get("route", {}).items())
    return status["phase"], status["step"], status["paused"], outcome, route, trouble_of(status)
