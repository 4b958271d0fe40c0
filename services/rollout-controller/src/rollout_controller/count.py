"""Counting what a Candidate does: its answers since a step began, the copies since a mirror began.

Only the leading replica counts. What cannot be read is a fault, or stays unknown; it is never 0.
Changes in `memory`: notes, which the journal keeps.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from lifecycle.rollouts import Colour, Rollout
from rollout_controller.memory import ModelMemory
from rollout_controller.mirror_counts import begin_mirror_tally
from rollout_controller.observed import Observed
from rollout_controller.ports import GatewayUnreachable, MetricsUnreachable, Ports
from rollout_controller.tallies import Counters, Tally, begin_tally

_log = logging.getLogger(__name__)


async def count_copies(ports: Ports, memory: ModelMemory, rollout: Rollout) -> None:
    """Add what the gateway copied since the last look; what it does not say stays unknown."""
    name, tally = memory.served.name, memory.notes.mirror
    try:
        read = await ports.gateway.mirrored(name, rollout.candidate_colour)
    except GatewayUnreachable as error:
        _log.debug("mirror not counted", extra={"model": name, "reason": str(error)})
        return
    now = ports.clock.now()
    if tally and tally.rollout == rollout.id:
        tally = tally.counting(read, now)
    else:
        tally = begin_mirror_tally(rollout.id, read, now)
    memory.notes = replace(memory.notes, mirror=tally)
    ports.journal.save(name, memory.notes)


async def count_answers(
    ports: Ports, memory: ModelMemory, seen: Observed, faults: dict[str, str]
) -> int | None:
    """Add what was answered since the last look to the Tally of the step; return how many of the
    Candidate's requests are in flight, None where that is not known.
    """
    rollout = seen.rollout
    addresses = _addresses(seen, rollout.candidate_colour) if rollout else ()
    if rollout is None or not addresses:
        return None
    try:
        over = seen.served.objective.latency_milliseconds
        read, baseline = await asyncio.gather(
            ports.metrics.read(addresses, over), _read_baseline(ports, seen, rollout)
        )
    except MetricsUnreachable as error:
        faults["metrics"] = str(error)
        return None
    tally = _next_tally(seen, rollout, read.counters, ports.clock.now())
    if tally is not None:
        memory.notes = replace(memory.notes, tally=tally.counting_baseline(baseline))
        ports.journal.save(seen.served.name, memory.notes)
    return read.in_flight


def _next_tally(
    seen: Observed, rollout: Rollout, counters: Mapping[str, Counters], now: float
) -> Tally | None:
    """Return the step's Tally with these counters; None while it has neither route nor users."""
    settled = seen.route_is_settled
    if seen.tally and not (seen.tally.early and settled):
        return seen.tally.counting(counters, now)
    if settled or seen.users_of(rollout.candidate_colour):
        begun = begin_tally(rollout, counters, now, early=not settled)
        return replace(begun, whole=settled and seen.tally is not None)
    return None


async def _read_baseline(ports: Ports, seen: Observed, rollout: Rollout) -> Mapping[str, Counters]:
    """Only comparisons need it: a Baseline that does not tell keeps nobody from going back."""
    addresses = _addresses(seen, rollout.baseline_colour)
    try:
        over = seen.served.objective.latency_milliseconds
        return (await ports.metrics.read(addresses, over)).counters if addresses else {}
    except MetricsUnreachable:
        return {}


def _addresses(seen: Observed, colour: Colour) -> tuple[str, ...]:
    state = seen.colours.get(colour)
    return state.metrics_addresses if state and state.alive else ()
