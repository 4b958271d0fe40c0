"""The Workloads port on detached processes of this machine, one per model and colour.

They outlive this process: a killed controller leaves them serving, and the next one adopts them.
A replica count has no meaning here; in a cluster it has.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lifecycle.rollouts import Colour
from lifecycle.served_models import ServedModel
from rollout_controller.adapters.predictor_slot import Launch, Slot, Surroundings
from rollout_controller.ports import ColourState

_STEP_EVERY_SECONDS = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictorEnvironment:
    """What every predictor is told: where its artifact comes from and its events go to."""

    registry_url: str
    token_file: Path
    cache_dir: Path
    drift_monitor_url: str
    fingerprint_key_file: Path
    log_level: str

    def settings(self, served: ServedModel, digest: str) -> dict[str, str]:
        """Return a predictor's settings, without its ports and the prefix."""
        told = {
            "MODEL": served.name,
            "ARTIFACT": f"isogloss://{served.name}@{digest}",
            "REGISTRY_URL": self.registry_url,
            "TOKEN_FILE": str(self.token_file),
            "CACHE_DIR": str(self.cache_dir),
            "DRIFT_MONITOR_URL": self.drift_monitor_url,
            "FINGERPRINT_KEY_FILE": str(self.fingerprint_key_file),
            "QUEUE_LIMIT": str(served.queue_limit),
            "SLO_MILLISECONDS": f"{served.objective.latency_milliseconds:g}",
            "LOG_LEVEL": self.log_level,
            # Nothing is sent to a predictor that is ended, so it need not wait for routers.
            "SHUTDOWN_DELAY_SECONDS": "0",
        }
        return {**told, "SLICES": ",".join(served.slices)} if served.slices else told


class LocalProcesses:
    """Implements `ports.Workloads`."""

    def __init__(self, around: Surroundings, environment: PredictorEnvironment) -> None:
        self._around = around
        self._environment = environment
        self._slots: dict[tuple[str, Colour], Slot] = {}
        self._changed = asyncio.Event()

    def adopt(self) -> None:
        """Take over every predictor that an earlier controller started."""
        for path in sorted(self._around.state_dir.glob("*.slot.json")):
            slot = Slot.adopt(self._around, path)
            if slot and slot.wanted:
                self._slots[slot.wanted.model, slot.wanted.colour] = slot

    async def run(self) -> None:
        """Bring all slots to what is wanted, until cancelled."""
        while True:
            await self.step()
            with suppress(TimeoutError):
                async with asyncio.timeout(_STEP_EVERY_SECONDS):
                    await self._changed.wait()
            self._changed.clear()

    async def step(self) -> None:
        """Do the next thing in every slot."""
        slots = list(self._slots.items())
        steps = await asyncio.gather(*(slot.step() for _, slot in slots), return_exceptions=True)
        for (key, slot), outcome in zip(slots, steps, strict=True):
            if isinstance(outcome, Exception):
                _log.error("step failed", extra={"predictor": key, "reason": repr(outcome)})
            elif outcome is False and slot.wanted is None:
                del self._slots[key]

    async def ensure(self, served: ServedModel, colour: Colour, digest: str) -> None:
        """Want a version in a colour."""
        settings = {"HOST": self._around.host, **self._environment.settings(served, digest)}
        launch = Launch(served.name, colour, digest, settings)
        slot = self._slots.get((served.name, colour))
        if slot:
            slot.want(launch)
        else:
            self._slots[served.name, colour] = Slot(self._around, launch)
        self._changed.set()

    async def settle(self, served: ServedModel, colour: Colour) -> None:
        """Do nothing: here a colour is one process, reached by nothing but its port."""

    async def observe(self, model: str) -> Mapping[Colour, ColourState]:
        """Return the colours of a model that something is wanted in."""
        states = {
            colour: slot.state() for (name, colour), slot in self._slots.items() if name == model
        }
        return {colour: state for colour, state in states.items() if state}

    async def stop(self, model: str, colour: Colour) -> None:
        """Want nothing in a colour."""
        slot = self._slots.get((model, colour))
        if slot:
            slot.wanted = None
        self._changed.set()

    async def remove(self, model: str) -> None:
        """Want nothing of a model."""
        for colour in Colour:
            await self.stop(model, colour)
