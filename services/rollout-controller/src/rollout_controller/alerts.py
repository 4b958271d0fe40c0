"""What an alert may do: roll back a Rollout whose Candidate has users, where people opted in twice.

The alert says so by a label, the ServedModel by `alertRollback`. An alert that began before the
Rollout, or is about another version, was not the Candidate's doing. Told again, it changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lifecycle.rollouts import SPLIT_PHASES, Rollout
from lifecycle.served_models import AlertMode, AlertRollback
from rollout_controller.memory import ModelMemory
from rollout_controller.ports import Ports
from rollout_controller.rollback_by_hand import CannotGoBack, known_state, roll_back

OPT_IN_LABEL = "isogloss_rollback"


class Heed(StrEnum):
    """What was done about an alert."""

    IGNORED = "ignored"
    WOULD_ROLL_BACK = "would-roll-back"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True)
class Alert:
    """One alert as Alertmanager tells it; `starts_at` in seconds since the epoch."""

    firing: bool
    starts_at: float
    labels: Mapping[str, str]
    summary: str = ""

    @property
    def model(self) -> str:
        """Return the model that it is about, empty where it does not say."""
        return self.labels.get("model", "")


@dataclass(frozen=True)
class Heeded:
    """What was done about one alert, and why."""

    alert: Alert
    heed: Heed
    reason: str


@dataclass(frozen=True)
class Circumstances:
    """What an alert is held against: `last_rollback_at` None where none is known."""

    wished: AlertRollback
    rollout: Rollout | None
    last_rollback_at: float | None
    now: float


async def heed_alerts(
    ports: Ports,
    find: Callable[[str], ModelMemory | None],
    alerts: Sequence[Alert],
    caller: str,
) -> list[Heeded]:
    """Do what each alert asks for, one after the other; GatewayUnreachable where the way back
    cannot be written, so that the alert is told again.
    """
    return [await _heed(ports, find(alert.model), alert, caller) for alert in alerts]


def reason_to_ignore(alert: Alert, around: Circumstances) -> str | None:
    """Say why an alert does nothing, None where it asks for a Rollback of this very Rollout."""
    rollout, labels = around.rollout, alert.labels
    if not alert.firing:
        return "it is resolved"
    if labels.get(OPT_IN_LABEL) != "true":
        return f"it has no label {OPT_IN_LABEL}: true"
    if around.wished.mode is AlertMode.IGNORE:
        return "alertRollback.mode of the ServedModel is ignore"
    if rollout is None or rollout.phase not in SPLIT_PHASES:
        return "no user gets a Candidate's answers"
    if alert.starts_at < rollout.started_at:
        return f"it began before rollout {rollout.id}"
    if labels.get("colour", rollout.candidate_colour) != rollout.candidate_colour:
        return f"it is about {labels['colour']}, the Candidate is {rollout.candidate_colour}"
    if labels.get("version", rollout.candidate) != rollout.candidate:
        return f"it is about version {labels['version']}, which is not the Candidate"
    return _cooldown(around)


def _cooldown(around: Circumstances) -> str | None:
    wait = around.wished.cooldown_seconds
    if around.last_rollback_at is None or around.now - around.last_rollback_at >= wait:
        return None
    return f"the last rollback was less than {wait:g} s ago"


async def _heed(ports: Ports, memory: ModelMemory | None, alert: Alert, caller: str) -> Heeded:
    if memory is None:
        return Heeded(alert, Heed.IGNORED, f"no ServedModel {alert.model!r}")
    state = await known_state(ports, memory)
    around = Circumstances(
        memory.served.alert_rollback, state.rollout, await _last(ports, memory), ports.clock.now()
    )
    ignored = reason_to_ignore(alert, around)
    if ignored:
        return Heeded(alert, Heed.IGNORED, ignored)
    said = f"alert {alert.labels.get('alertname', 'without a name')}: {alert.summary}".rstrip(": ")
    if around.wished.mode is AlertMode.DRY_RUN:
        return Heeded(alert, Heed.WOULD_ROLL_BACK, said)
    try:
        done = await roll_back(ports, memory, f"{said} ({caller})", automatic=True)
    except CannotGoBack as refused:
        return Heeded(alert, Heed.IGNORED, str(refused))
    if done is None:
        return Heeded(alert, Heed.IGNORED, "all users have the Baseline already")
    return Heeded(alert, Heed.ROLLED_BACK, said)


async def _last(ports: Ports, memory: ModelMemory) -> float | None:
    """Return when this model was rolled back last, by this controller's memory or the Marker."""
    held = await ports.gateway.read(memory.served.name)
    done, marker = memory.last_rollback, held.route.marker if held else None
    times = [done.decided_at] if done else []
    return max([*times, marker.written_at] if marker else times, default=None)
