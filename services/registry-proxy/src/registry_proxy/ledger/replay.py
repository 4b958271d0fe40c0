"""Judging a Rollout's steps again, from the stored Evidence alone: is each Verdict what it was?

The ledger is folded up to just before each entry, so that policy, waivers and approvals are those
of that moment, and what the entry names as Evidence is opened, its signature checked, and judged.
The Verdicts' canonical bytes are compared, so a changed reason shows as a changed outcome does.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.evidence import Evidence, EvidenceKind, EvidenceRefused
from lifecycle.ledger import EntryKind, LedgerEntry
from lifecycle.model_states import ModelState, apply_entry
from lifecycle.policies import Gate, GatePolicy
from lifecycle.rollouts import Phase, Rollout
from lifecycle.stages import CANARY, Stage, move_name
from lifecycle.verdicts import Verdict, verdict_from_dict
from registry_proxy.ledger.hear import Move, verdict_on
from registry_proxy.ledger.judge import NoEvidence, judge
from registry_proxy.ledger.registry import Registry, Unknown, known

_TO_PRODUCTION = move_name(Stage.SHADOW, Stage.PRODUCTION)
_MOVES: Mapping[tuple[Phase, Phase], str] = {
    (Phase.PENDING, Phase.SUCCEEDED): move_name(Stage.STAGING, Stage.PRODUCTION),
    (Phase.SHADOWING, Phase.CANARY): move_name(Stage.SHADOW, CANARY),
    (Phase.CANARY, Phase.CANARY): _TO_PRODUCTION,
    (Phase.CANARY, Phase.BAKING): _TO_PRODUCTION,
}
_ENDS_A_REQUEST = frozenset({EntryKind.ROLLOUT, EntryKind.ROLLBACK, EntryKind.DENIED})
_HEALTH = "health"
"""What a Rollback rests on: the canary Gates alone, without waivers, as the controller judged."""


@dataclass(frozen=True)
class Replayed:
    """One recorded Verdict and the same judged again, each by the sha256 of its canonical bytes;
    `again` is None where it cannot be judged, and `problem` says why or what differs.
    """

    seq: int
    time: float
    move: str
    outcome: str
    evidence: tuple[str, ...]
    recorded: str
    again: str | None
    problem: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def replay(registry: Registry, model: str, rollout: str | None) -> list[Replayed]:
    """Judge every recorded step of a Rollout again (None: of the latest); raises Unknown."""
    state = known(registry.ledger.state(model))
    wanted = rollout or (state.rollout.id if state.rollout else None)
    entries = _entries(registry, model)
    found = [] if wanted is None else list(_replayed(registry, model, wanted, entries))
    if not found:
        raise Unknown(f"{model} has no judged step of rollout {wanted or 'yet'}; start one")
    return found


def _entries(registry: Registry, model: str) -> Iterator[LedgerEntry]:
    after = 0
    while page := registry.ledger.entries(model, after, 500):
        yield from page
        after = page[-1].seq


def _replayed(
    registry: Registry, model: str, wanted: str, entries: Iterable[LedgerEntry]
) -> Iterator[Replayed]:
    state = decided_on = ModelState(model)
    last: LedgerEntry | None = None
    for entry in entries:
        # What one request wrote, with its Stages first, was decided before all of it.
        if last is None or last.time != entry.time or last.kind in _ENDS_A_REQUEST:
            decided_on = state
        move = _move(decided_on.rollout, entry)
        if move and _rollout_of(entry) == wanted and entry.body.get("verdict"):
            yield _judged_again(registry, decided_on, entry, move)
        state, last = apply_entry(state, entry), entry


def _move(before: Rollout | None, entry: LedgerEntry) -> str | None:
    if before is None:
        return None
    if entry.kind is EntryKind.ROLLBACK:
        return _HEALTH if before.phase in (Phase.CANARY, Phase.BAKING) else None
    if entry.kind is EntryKind.DENIED:
        asked = entry.body["asked"].get("advance") or {}
        return _MOVES.get((before.phase, Phase(asked["phase"]))) if "phase" in asked else None
    if entry.kind is not EntryKind.ROLLOUT:
        return None
    return _MOVES.get((before.phase, Phase(entry.body["rollout"]["phase"])))


def _rollout_of(entry: LedgerEntry) -> str | None:
    if entry.kind is EntryKind.DENIED:
        return str(entry.body["asked"]["advance"]["id"])
    return str(entry.body["rollout"]["id"])


def _judged_again(registry: Registry, state: ModelState, entry: LedgerEntry, move: str) -> Replayed:
    recorded = verdict_from_dict(entry.body["verdict"])
    before, again, problem = _bytes(recorded), None, None
    try:
        again = _bytes(_verdict(registry, state, entry, move))
        if again != before:
            problem = "judged again it says something else"
    except (EvidenceRefused, Unknown) as refused:
        problem = str(refused)
    return Replayed(
        seq=entry.seq,
        time=entry.time,
        move=move,
        outcome=recorded.outcome,
        evidence=tuple(entry.body["evidence"]),
        recorded=before,
        again=again,
        problem=problem,
    )


def _verdict(registry: Registry, state: ModelState, entry: LedgerEntry, move: str) -> Verdict:
    policy = registry.policy(state)
    opened = [registry.evidence(digest).evidence for digest in entry.body["evidence"]]
    if policy is None or not opened or state.rollout is None:
        raise Unknown("the entry names no evidence that it could be judged on")
    found: Mapping[EvidenceKind, Evidence | NoEvidence] = {each.kind: each for each in opened}
    if move == _HEALTH:
        return judge(_canary_gates(policy), found)
    version = state.find(state.rollout.candidate)
    if version is None:
        raise Unknown(f"{state.name} has no version {state.rollout.candidate}")
    return verdict_on(policy, Move(state, version, move), found, entry.time)


def _canary_gates(policy: GatePolicy) -> tuple[Gate, ...]:
    gates = policy.guarding(_TO_PRODUCTION)
    return tuple(gate for gate in gates if gate.evidence is EvidenceKind.CANARY)


def _bytes(verdict: Verdict) -> str:
    return sha256_digest(canonical_json(verdict.to_dict()))
