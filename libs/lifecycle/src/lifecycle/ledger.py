"""Ledger entries: append-only, hash-chained, one chain over all models.

An entry's hash covers its content and the hash before it, so a changed, missing or
reordered entry breaks every later link. What is cut off at the end breaks none: that is seen by
an Anchor, the number and hash of an entry that was kept elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    APPROVAL = "approval"
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


def entry_from_dict(document: Mapping[str, Any]) -> LedgerEntry:
    """Read what `to_dict` wrote; raises KeyError, TypeError, ValueError."""
    return LedgerEntry(**{**document, "kind": EntryKind(document["kind"])})


@dataclass(frozen=True)
class Draft:
    """An entry that has not been given its place in the chain yet."""

    kind: EntryKind
    actor: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Anchor:
    """An entry that was seen before: its number and its hash."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def read_anchor(text: str) -> Anchor:
    """Read what `str` makes of an Anchor, `12:sha256:...`; raises ValueError."""
    seq, _, digest = text.partition(":")
    if not digest.startswith("sha256:"):
        raise ValueError(f"{text!r} is no anchor; one looks like 12:sha256:...")
    return Anchor(int(seq), digest)


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


def verify_chain(entries: Iterable[LedgerEntry], anchors: Sequence[Anchor] = ()) -> ChainReport:
    """Walk all entries in order and report the first that does not fit, or an anchor that is not
    in the chain.
    """
    last: LedgerEntry | None = None
    wanted = {anchor.seq for anchor in anchors}
    found: dict[int, str] = {}
    for entry in entries:
        problem = _misfit(entry, last)
        if problem:
            return _report(last, problem)
        last = entry
        if entry.seq in wanted:
            found[entry.seq] = entry.hash
    return _report(last, _unanchored(anchors, found, last))


def _misfit(entry: LedgerEntry, last: LedgerEntry | None) -> str | None:
    draft = Draft(entry.kind, entry.actor, entry.body)
    expected = seal(draft, entry.model, entry.time, last)
    if entry == expected:
        return None
    if entry.seq != expected.seq:
        return f"entry {expected.seq} is missing or out of order: found {entry.seq}"
    return f"entry {entry.seq} does not follow from the {expected.seq - 1} before it"


def _unanchored(
    anchors: Sequence[Anchor], found: Mapping[int, str], last: LedgerEntry | None
) -> str | None:
    for anchor in sorted(anchors, key=lambda each: each.seq):
        if anchor.seq not in found:
            newest = last.seq if last else 0
            return f"entry {newest + 1} and all after it are missing: there was one {anchor.seq}"
        if found[anchor.seq] != anchor.hash:
            return f"entry {anchor.seq}, or one before it, is not the one that was seen before"
    return None


def _report(last: LedgerEntry | None, problem: str | None) -> ChainReport:
    if last is None:
        return ChainReport(0, GENESIS, problem)
    return ChainReport(last.seq, last.hash, problem)
