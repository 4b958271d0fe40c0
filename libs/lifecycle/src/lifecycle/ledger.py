"""Ledger entries: append-only, hash-chained, one chain over all models.

An entry's hash covers its content and the hash before it, so a changed, missing or
reordered entry breaks every later link.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lifecycle.digests import canonical_json, sha256_digest

GENESIS = sha256_digest(b"isogloss ledger v1")


class EntryKind(StrEnum):
    """What happened; `body` holds its facts (see `model_states.apply_entry`)."""

    POLICY = "policy"
    REGISTERED = "registered"
    EVIDENCE = "evidence"
    WAIVER = "waiver"
    TRANSITION = "transition"
    DENIED = "denied"
    ROLLOUT = "rollout"
    RELEASE = "release"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class LedgerEntry:
    """One fact. `seq` starts at 1 without gaps; `time` is seconds since the epoch, UTC."""

    seq: int
    time: float
    model: str
    kind: EntryKind
    actor: str
    body: Mapping[str, Any]
    previous: str
    hash: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form used for export."""
        return asdict(self)


@dataclass(frozen=True)
class Draft:
    """An entry that has not been given its place in the chain yet."""

    kind: EntryKind
    actor: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class ChainReport:
    """What a walk over the chain found; `problem` names the first bad entry, None if sound."""

    entries: int
    head: str
    problem: str | None


def seal(draft: Draft, model: str, time: float, last: LedgerEntry | None) -> LedgerEntry:
    """Give `draft` its place after `last` (None: the first entry)."""
    seq = last.seq + 1 if last else 1
    previous = last.hash if last else GENESIS
    content = {
        "seq": seq,
        "time": time,
        "model": model,
        "kind": draft.kind.value,
        "actor": draft.actor,
        "body": draft.body,
        "previous": previous,
    }
    digest = sha256_digest(canonical_json(content))
    return LedgerEntry(seq, time, model, draft.kind, draft.actor, draft.body, previous, digest)


def verify_chain(entries: Iterable[LedgerEntry]) -> ChainReport:
    """Walk all entries in order and report the first that does not fit."""
    last: LedgerEntry | None = None
    count = 0
    for entry in entries:
        draft = Draft(entry.kind, entry.actor, entry.body)
        expected = seal(draft, entry.model, entry.time, last)
        if entry != expected:
            wanted = expected.seq
            problem = f"entry {entry.seq} does not follow from the {count} before it"
            if entry.seq != wanted:
                problem = f"entry {wanted} is missing or out of order: found {entry.seq}"
            return ChainReport(count, last.hash if last else GENESIS, problem)
        last = entry
        count += 1
    return ChainReport(count, last.hash if last else GENESIS, None)
