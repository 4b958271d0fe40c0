"""What the ledger says of one model: a fold over its entries.

Only facts are applied here; whether they were allowed was decided before they were written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, assert_never

from lifecycle.approvals import AUTHOR_TAG, Approval
from lifecycle.ledger import EntryKind, LedgerEntry
from lifecycle.rollouts import Rollout, rollout_from_dict
from lifecycle.stages import HELD_BY_ONE, Stage

_STAGES_OF_ONE = {stage.lower(): stage for stage in HELD_BY_ONE}


@dataclass(frozen=True)
class Waiver:
    """Stands in for one Gate's PASS on one move of one digest until it expires."""

    gate: str
    move: str
    reason: str
    by: str
    expires_at: float
    evidence: str


@dataclass(frozen=True)
class VersionState:
    """One ModelVersion: what it is, where it stands, and what is known for its Gates.

    `evidence` maps a kind to the digests of its envelopes, newest last.
    """

    number: int
    digest: str
    stage: Stage
    registered_at: float
    lineage: Mapping[str, str]
    metadata: Mapping[str, Any]
    evidence: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    registered_by: str = ""
    approvals: tuple[Approval, ...] = ()

    @property
    def authors(self) -> frozenset[str]:
        """Return who made it: who registered it, and who its run says made that."""
        made = self.metadata.get("tags", {}).get(AUTHOR_TAG, "")
        return frozenset({self.registered_by, str(made)} - {""})


@dataclass(frozen=True)
class ModelState:
    """One model as of its last entry `seq` (0: nothing is known of it)."""

    name: str
    seq: int = 0
    policy: str | None = None
    versions: tuple[VersionState, ...] = ()
    rollout: Rollout | None = None
    productions: tuple[str, ...] = ()
    """Digests in the order in which they came to PRODUCTION; the last may have left it."""

    def holding(self, stage: Stage) -> VersionState | None:
        """Return the version that stands in `stage` (the newest, where several may)."""
        found = [version for version in self.versions if version.stage is stage]
        return found[-1] if found else None

    def find(self, reference: str) -> VersionState | None:
        """Find a version by digest, by number (`3`), or by a Stage of one (`production`)."""
        if reference in _STAGES_OF_ONE:
            return self.holding(_STAGES_OF_ONE[reference])
        return next((v for v in self.versions if reference in (v.digest, str(v.number))), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form served by the registry-proxy."""
        return asdict(self)


def model_state_from_dict(document: Mapping[str, Any]) -> ModelState:
    """Read what `ModelState.to_dict` wrote."""
    rollout = document["rollout"]
    return ModelState(
        **{
            **document,
            "versions": tuple(_version_from_dict(each) for each in document["versions"]),
            "rollout": rollout_from_dict(rollout) if rollout else None,
            "productions": tuple(document["productions"]),
        }
    )


def fold(name: str, entries: Iterable[LedgerEntry]) -> ModelState:
    """Replay one model's entries, oldest first."""
    state = ModelState(name)
    for entry in entries:
        state = apply_entry(state, entry)
    return state


def apply_entry(state: ModelState, entry: LedgerEntry) -> ModelState:
    """Return the state after one more entry of the same model."""
    body = entry.body
    after = replace(state, seq=entry.seq)
    match entry.kind:
        case EntryKind.POLICY:
            return replace(after, policy=body["digest"])
        case EntryKind.REGISTERED:
            return replace(after, versions=(*state.versions, _registered(entry)))
        case EntryKind.EVIDENCE:
            return _with_version(after, body["digest"], lambda v: _add_evidence(v, body))
        case EntryKind.WAIVER:
            return _with_version(after, body["digest"], lambda v: _add_waiver(v, entry))
        case EntryKind.APPROVAL:
            return _with_version(after, body["digest"], lambda v: _add_approval(v, entry))
        case EntryKind.TRANSITION:
            return _moved(after, body["digest"], Stage(body["after"]))
        case EntryKind.ROLLOUT | EntryKind.ROLLBACK:
            return replace(after, rollout=rollout_from_dict(body["rollout"]))
        case EntryKind.DENIED | EntryKind.RELEASE:
            return after
        case _:
            assert_never(entry.kind)


def _version_from_dict(document: Mapping[str, Any]) -> VersionState:
    return VersionState(
        **{
            **document,
            "stage": Stage(document["stage"]),
            "evidence": {kind: tuple(held) for kind, held in document["evidence"].items()},
            "waivers": tuple(Waiver(**waiver) for waiver in document["waivers"]),
            "approvals": tuple(Approval(**each) for each in document.get("approvals", ())),
        }
    )


def _registered(entry: LedgerEntry) -> VersionState:
    body = entry.body
    return VersionState(
        number=body["number"],
        digest=body["digest"],
        stage=Stage.REGISTERED,
        registered_at=entry.time,
        lineage=body["lineage"],
        metadata=body["metadata"],
        registered_by=entry.actor,
    )


def _add_evidence(version: VersionState, body: Mapping[str, Any]) -> VersionState:
    held = version.evidence.get(body["kind"], ())
    return replace(version, evidence={**version.evidence, body["kind"]: (*held, body["evidence"])})


def _add_waiver(version: VersionState, entry: LedgerEntry) -> VersionState:
    body = entry.body
    waiver = Waiver(
        gate=body["gate"],
        move=body["move"],
        reason=body["reason"],
        by=entry.actor,
        expires_at=body["expires_at"],
        evidence=body["evidence"],
    )
    return replace(version, waivers=(*version.waivers, waiver))


def _add_approval(version: VersionState, entry: LedgerEntry) -> VersionState:
    body = entry.body
    approval = Approval(body["move"], entry.actor, body["reason"], body["policy"])
    return replace(version, approvals=(*version.approvals, approval))


def _moved(state: ModelState, digest: str, stage: Stage) -> ModelState:
    moved = _with_version(
        state, digest, lambda version: replace(version, stage=stage, approvals=())
    )
    if stage is not Stage.PRODUCTION:
        return moved
    return replace(moved, productions=(*state.productions, digest))


def _with_version(state: ModelState, digest: str, change: Any) -> ModelState:
    versions = tuple(change(v) if v.digest == digest else v for v in state.versions)
    return replace(state, versions=versions)
