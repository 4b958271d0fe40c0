"""A controller at its default settings, beside stand-ins for the ledger and the predictors."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from processes import STAND_IN, envoy_on, free_ports, load_module, until


class Platform:
    """A controller with its neighbours, an Envoy, and stand-in predictors."""

    def __init__(self, service: Any, neighbours: Any) -> None:
        self.service = service
        self.ledger = neighbours.ledger

    def phase(self) -> str | None:
        """Return the Phase of the Rollout."""
        rollout = self.ledger.state.rollout
        return rollout.phase.value if rollout else None

    def roll_out(self, number: int, *phases: str) -> list[float]:
        """Start a Rollout; return when each Phase was on record, the last one being waited for."""
        self.service.ask("POST", "/rollouts", {"version": str(number)})
        times = []
        for phase in phases:
            until(lambda phase=phase: self.phase() == phase, f"version {number} to be {phase}")
            times.append(time.time())
        return times


@contextmanager
def platform(directory: Path, digests: Sequence[str]) -> Iterator[Platform]:
    """Start all of it, and serve the first version."""
    load_module("rollout_controller_fakes", "fakes.py")
    parts = load_module("rollout_controller_service_process", "service_process.py")
    os.environ["PYTHONPATH"] = str(STAND_IN)
    port, *ports = free_ports(5)
    with ExitStack() as stack:
        neighbours = stack.enter_context(parts.Neighbours(port, digests).running())
        service = parts.Service(directory, ports, neighbours, directory, strategy="blueGreen")
        for name in ("INTERVAL_SECONDS", "EVIDENCE_SECONDS", "PAIRING_DELAY_SECONDS"):
            del service.settings[name]
        service.start()
        stack.callback(end, service)
        stack.enter_context(envoy_on(directory / "envoy", service.admin))
        running_platform = Platform(service, neighbours)
        running_platform.roll_out(1, "SUCCEEDED")
        yield running_platform


def end(service: Any) -> None:
    """End the controller, then the predictors that it leaves."""
    predictors = service.predictors().values()
    service.end()
    for pid in predictors:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
