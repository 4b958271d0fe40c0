"""One colour of one model as a local process: wanted, started, probed, started again, ended.

What it takes to start it again stands in a file, so that a new controller adopts the process,
or starts it where the machine went down, before it has asked anybody.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from lifecycle.rollouts import Colour
from rollout_controller.adapters.files import read_json, write_json
from rollout_controller.adapters.free_ports import FreePorts
from rollout_controller.adapters.predictor_processes import (
    NotStarted,
    ProcessRecord,
    end,
    find_orphan,
    is_running,
    load_record,
    save_record,
    start,
)
from rollout_controller.ports import Clock, ColourState

_PREFIX = "ISOGLOSS_INFERENCE_"
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_SOUND_AFTER_SECONDS = 60.0
_SLOW_PROBES = 3
"""A busy machine answers late now and then; one that is asked thrice in vain is not ready."""
_WARM_UP_PREDICTIONS = 3
_WARM_UP_TEXT = "One sentence, so that the first caller does not pay for the first prediction."
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launch:
    """What a predictor is started with; `settings` without the ports, which are found late."""

    model: str
    colour: Colour
    digest: str
    settings: Mapping[str, str]
    port: int = 0
    metrics_port: int = 0

    def environment(self) -> dict[str, str]:
        """Return the settings as the predictor reads them."""
        ports = {"PORT": str(self.port), "METRICS_PORT": str(self.metrics_port)}
        return {_PREFIX + key: value for key, value in {**self.settings, **ports}.items()}


@dataclass(frozen=True)
class Surroundings:
    """What all slots of this machine share."""

    command: Sequence[str]
    host: str
    state_dir: Path
    run_dir: Path
    log_dir: Path
    grace_seconds: float
    ports: FreePorts
    clock: Clock
    probe: httpx.AsyncClient


class Slot:
    """Brings one process to what is wanted, a `step` at a time."""

    def __init__(self, around: Surroundings, launch: Launch) -> None:
        self._around = around
        self._name = f"{launch.model}-{launch.colour.value}"
        self.wanted: Launch | None = launch
        self._started = launch
        self._record: ProcessRecord | None = None
        self._warm = self._ready = self._crashed = False
        self._since = around.clock.now()
        self._reason = "it is being started"
        self._failures = self._slow_probes = 0
        self._retry_at = self._ending_since = 0.0

    @classmethod
    def adopt(cls, around: Surroundings, path: Path) -> "Slot | None":
        """Return the slot that an earlier controller wrote down, None where a file is unusable."""
        written: Any = read_json(path)
        try:
            warm = bool(written.pop("warm"))
            launch = Launch(**{**written, "colour": Colour(written["colour"])})
        except (AttributeError, KeyError, TypeError, ValueError):
            _log.warning("slot file is unusable, passed over", extra={"path": str(path)})
            return None
        slot = cls(around, launch)
        around.ports.take(launch.port, launch.metrics_port)
        slot._record = load_record(slot._record_path) or slot._orphan(launch)
        slot._warm = warm and slot._record is not None
        return slot

    def want(self, launch: Launch) -> None:
        """Have this version run here, whatever runs now."""
        if self.wanted is None or self.wanted.digest != launch.digest:
            self.wanted = launch
            self._crashed = False
            self._become(ready=False, reason="it is being started")
            self._failures, self._retry_at = 0, 0.0

    async def step(self) -> bool:
        """Look and do the next thing; False once nothing is wanted and nothing runs."""
        running = self._record is not None and is_running(self._record)
        if running and self._is_wanted():
            await self._probe()
        elif running:
            self._end()
        elif self._record is not None:
            self._gone()
        elif self.wanted and self._around.clock.now() >= self._retry_at:
            self._start(self.wanted)
        elif self.wanted is None:
            self._forget()
            return False
        return True

    def state(self) -> ColourState | None:
        """Return what is known since the last step; None when nothing is wanted here."""
        if self.wanted is None:
            return None
        running = self._record is not None and self._is_wanted()
        host, started = self._around.host, self._started
        return ColourState(
            digest=self.wanted.digest,
            alive=running and not self._crashed,
            ready=running and self._ready,
            since=self._since,
            address=f"{host}:{started.port}" if running else None,
            metrics_addresses=(f"{host}:{started.metrics_port}",) if running else (),
            reason=self._reason,
        )

    @property
    def _record_path(self) -> Path:
        return self._around.run_dir / f"{self._name}.json"

    @property
    def _slot_path(self) -> Path:
        return self._around.state_dir / f"{self._name}.slot.json"

    @property
    def _log_path(self) -> Path:
        return self._around.log_dir / f"{self._name}.log"

    def _is_wanted(self) -> bool:
        return self.wanted is not None and self.wanted.digest == self._started.digest

    def _start(self, wanted: Launch) -> None:
        around, before = self._around, self._started
        self._warm = False
        try:
            port, metrics_port = around.ports.find((before.port, before.metrics_port))
            self._started = replace(wanted, port=port, metrics_port=metrics_port)
            self._save_slot()
            self._record = start(around.command, self._started.environment(), self._log_path)
            save_record(self._record_path, self._record)
        except (NotStarted, OSError) as error:
            self._fail(str(error))
            return
        self._become(ready=False, reason="it is starting")
        _log.info("predictor started", extra={"predictor": self._name, "pid": self._record.pid})

    async def _probe(self) -> None:
        try:
            base = f"http://{self._around.host}"
            page = await self._around.probe.get(f"{base}:{self._started.metrics_port}/readyz")
            if not page.is_success:
                self._become(ready=False, reason=_detail(page))
                return
            if not self._warm:
                await self._warm_up(f"{base}:{self._started.port}")
        except httpx.TimeoutException:
            self._slow_probes += 1
            if self._slow_probes >= _SLOW_PROBES:
                self._become(ready=False, reason=f"{_SLOW_PROBES} probes had no answer in time")
            return
        except httpx.HTTPError as error:
            self._become(ready=False, reason=f"it does not answer ({type(error).__name__})")
            return
        self._slow_probes = 0
        self._become(ready=True, reason="")
        self._crashed = False
        if self._around.clock.now() - self._since > _SOUND_AFTER_SECONDS:
            self._failures = 0

    async def _warm_up(self, address: str) -> None:
        path = f"{address}/v1/models/{self._started.model}:predict"
        for _ in range(_WARM_UP_PREDICTIONS):
            answer = await self._around.probe.post(path, json={"instances": [_WARM_UP_TEXT]})
            answer.raise_for_status()
        self._warm = True
        self._save_slot()

    def _end(self) -> None:
        now = self._around.clock.now()
        if self._record is None:
            return
        if not self._ending_since:
            self._ending_since = now
            end(self._record, at_once=False)
        elif now - self._ending_since > self._around.grace_seconds:
            end(self._record, at_once=True)

    def _gone(self) -> None:
        self._record_path.unlink(missing_ok=True)
        self._record = None
        if self._is_wanted():
            self._crashed = True
            self._fail(f"it ended by itself; {self._log_path} says why")
        self._ending_since = 0.0

    def _fail(self, why: str) -> None:
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._retry_at = self._around.clock.now() + pause
        self._become(ready=False, reason=f"{why}; start {self._failures + 1} in {pause:g} s")
        _log.warning("predictor ended", extra={"predictor": self._name, "reason": self._reason})

    def _forget(self) -> None:
        self._slot_path.unlink(missing_ok=True)
        self._around.ports.give_back(self._started.port, self._started.metrics_port)

    def _become(self, *, ready: bool, reason: str) -> None:
        if ready is not self._ready:
            self._since = self._around.clock.now()
        self._ready, self._reason = ready, reason

    def _save_slot(self) -> None:
        document: dict[str, Any] = {**asdict(self._started), "warm": self._warm}
        write_json(self._slot_path, document)

    def _orphan(self, launch: Launch) -> ProcessRecord | None:
        """Find what was started just before a crash came between it and its record."""
        found = find_orphan(self._around.command, launch.environment())
        if found is None:
            return None
        record = ProcessRecord(*found, list(self._around.command), str(self._log_path))
        save_record(self._record_path, record)
        return record


def _detail(page: httpx.Response) -> str:
    try:
        return str(page.json()["detail"])
    except (KeyError, TypeError, ValueError):
        return f"its readiness page answers {page.status_code}"
