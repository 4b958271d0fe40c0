"""What a Rollout will go through, and what would keep it from ever ending: seen beforehand."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.model_states import ModelState, VersionState
from lifecycle.policies import GatePolicy
from lifecycle.rollouts import ACTIVE_PHASES
from lifecycle.served_models import Strategy
from lifecycle.stages import Stage
from rollout_controller.deciding import (
    TO_CANARY,
    Step,
    never_decided,
    steps_of,
    worth_knowing,
)
from rollout_controller.memory import ModelMemory
from rollout_controller.noise_floors import NoiseFloor, limits_under
from rollout_controller.ports import PairsUnreachable, Ports


class NeverEnds(Exception):
    """The Rollout would be stuck on a Gate for good; the text says which, why, and what to do."""


@dataclass(frozen=True)
class Outlook:
    """The steps of a Rollout of one model. Nothing of it is begun while anything is `refused`;
    `remarks` are what is worth knowing beforehand.
    """

    strategy: Strategy
    steps: tuple[Step, ...]
    refused: tuple[str, ...]
    remarks: tuple[str, ...]
    noise: NoiseFloor | None

    def to_dict(self) -> Mapping[str, Any]:
        """Return the JSON form."""
        return asdict(self)


async def foresee(
    ports: Ports, memory: ModelMemory, state: ModelState, version: VersionState | None = None
) -> Outlook | None:
    """Look ahead for a version, or for whichever comes next; None while there is no gate policy.

    Raises LedgerUnreachable and LedgerRefused. A drift-monitor that is down holds nothing up.
    """
    if state.policy is None:
        return None
    held = memory.policy
    if held is None or held.digest != state.policy:
        held = await ports.ledger.fetch_policy(state.name)
    policy, served = held.policy, memory.served
    baseline = _baseline(state)
    if baseline is None:
        refused = never_decided(policy, served, first=True)
        return Outlook(served.strategy, (), tuple(refused), (), None)
    floor, doubt = await _noise_of(ports, state.name, baseline)
    waived = _waived(policy, version, ports.clock.now())
    refused = never_decided(policy, served, first=False)
    refused += limits_under(policy, floor, waived) if floor else []
    remarks = (*doubt, *worth_knowing(policy, served))
    return Outlook(served.strategy, steps_of(policy, served), tuple(refused), remarks, floor)


async def refuse_stuck(
    ports: Ports, memory: ModelMemory, state: ModelState, version: VersionState
) -> None:
    """Raise NeverEnds where a Rollout of the version could never end."""
    outlook = await foresee(ports, memory, state, version)
    if outlook and outlook.refused:
        text = "; ".join(outlook.refused)
        raise NeverEnds(f"a rollout of version {version.number} would never end: {text}")


def _baseline(state: ModelState) -> str | None:
    """Return what a new Rollout compares with; one under way is given up to its own Baseline."""
    rollout = state.rollout
    if rollout and rollout.phase in ACTIVE_PHASES:
        return rollout.baseline
    production = state.holding(Stage.PRODUCTION)
    return production.digest if production else None


async def _noise_of(
    ports: Ports, model: str, digest: str
) -> tuple[NoiseFloor | None, tuple[str, ...]]:
    """Return the Baseline's noise floor, or a sentence on why none is held against."""
    try:
        floor = await ports.pairs.noise(model, digest)
    except PairsUnreachable as error:
        return None, (f"no noise floor is held against limits on disagreement: {error}",)
    if floor is not None:
        return floor, ()
    unmeasured = (
        f"how often {digest[:19]} differs from itself was never measured, so no noise floor is "
        f"held against limits on disagreement: isogloss rollout noise {model} TEXTS measures one"
    )
    return None, (unmeasured,)


def _waived(policy: GatePolicy, version: VersionState | None, now: float) -> frozenset[str]:
    if version is None or not policy.waivers_allowed:
        return frozenset()
    valid = (w for w in version.waivers if w.move == TO_CANARY and now < w.expires_at)
    return frozenset(waiver.gate for waiver in valid)
