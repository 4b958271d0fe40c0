"""Evidence: signed statements of counts, bound to the exact bytes they were measured on.

Counts are stored, never bounds, so that any later reader can recompute the Verdict.
The DSSE envelope and its signature are `servicekit.signing`'s; here is the statement.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lifecycle.digests import canonical_json

PAYLOAD_TYPE = "application/vnd.isogloss.evidence.v1+json"


class EvidenceKind(StrEnum):
    """What was measured; who may sign which kind is in `SIGNERS`."""

    OFFLINE = "offline"
    LATENCY = "latency"
    SHADOW = "shadow"
    CANARY = "canary"
    WAIVER = "waiver"


SIGNERS: Mapping[EvidenceKind, str] = {
    EvidenceKind.OFFLINE: "gate",
    EvidenceKind.LATENCY: "gate",
    EvidenceKind.SHADOW: "drift-monitor",
    EvidenceKind.CANARY: "rollout-controller",
    EvidenceKind.WAIVER: "registry-proxy",
}
"""The one role whose key counts for each kind; a waiver is signed by the ledger's keeper
on the word of a named person, because people hold no signing key."""


class EvidenceRefused(Exception):
    """The statement cannot be used; the text says which field, why, and what to do."""


@dataclass(frozen=True)
class Subjects:
    """Digests of everything the Measurements depend on (`none` where there is nothing)."""

    model: str
    baseline: str
    dataset: str
    prompt: str
    policy: str
    image: str


@dataclass(frozen=True)
class Measurement:
    """Counts of one kind on one Slice.

    `counts` by `name`:
    - `cells`: {"labels": [...], "cells": [[truth, baseline, candidate, count], ...]}, label
      indices; baseline is -1 where there is none
    - `calibration`: {"bins": [[n, right, confidence of right, of wrong rows], ...]}
    - `invariance`, `direction`, `minimum_functionality`: {"n", "failed"}
    - `explanations`: {"n", "incomplete", "differing"}: texts whose explanation does not add up to
      the score, or is another one when asked again; n is 0 where the version explains nothing
    - `deletions`: {"n", "wins", "losses", "named_drop", "random_drop"}: a win is a text whose score
      falls more without the words that its explanation names than without as many at random
    - `leakage`: {"n", "leaked"}: test rows that are, or nearly are, in the training part
    - `latency_ms`: {"buckets": [[upper_ms, count], ...]} on `stats.quantiles` edges;
      `latency_pair`: the same beside {"baseline": [[upper_ms, count], ...]} of the same minutes
    - `footprint`: {"artifact_bytes", "memory_bytes"}, of what was measured
    - `pairs`: {"n", "bad", "missing", "eligible", "paired", "mirror_percent"}: disagreeing or
      missing pairs are bad; under 100 % also "mirrored", the gateway's own count of requests,
      where it is known
    - `labelled`: {"n", "wins", "losses"}: wins are rows only the Candidate had right
    - `noise`: {"n", "differing"}: texts that the Baseline was asked twice, and answered otherwise
    - `live_latency`: as `latency_pair`, of a shadow's pairs
    - `outcomes`: of a shadow {"n", "wins", "losses"}, wins are requests only the Baseline failed;
      of a canary {"n", "errors", "baseline_n", "baseline_errors"}
    - `requests`: {"n", "errors"}; `slow`: {"n", "over", "limit_ms"}; `slow_pair`: that beside
      {"baseline_n", "baseline_over"}
    """

    name: str
    slice: str
    n: int
    counts: Mapping[str, Any]
    source: str
    started_at: float
    ended_at: float


@dataclass(frozen=True)
class Evidence:
    """One signed statement; times are seconds since the epoch, UTC."""

    kind: EvidenceKind
    model: str
    subjects: Subjects
    measurements: tuple[Measurement, ...]
    producer: str
    produced_at: float
    expires_at: float
    details: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """Return the canonical payload that is signed."""
        return canonical_json(asdict(self))

    def measurement(self, name: str, slice_name: str = "all") -> Measurement | None:
        """Find the Measurement of that name and Slice, if it was taken."""
        found = (m for m in self.measurements if m.name == name and m.slice == slice_name)
        return next(found, None)


def evidence_from_document(document: Mapping[str, Any]) -> Evidence:
    """Read a payload's JSON object; EvidenceRefused names the field that is wrong."""
    try:
        measurements = tuple(Measurement(**m) for m in document["measurements"])
        fields = {key: document[key] for key in ("model", "producer", "details")}
        return Evidence(
            kind=EvidenceKind(document["kind"]),
            subjects=Subjects(**document["subjects"]),
            measurements=measurements,
            produced_at=float(document["produced_at"]),
            expires_at=float(document["expires_at"]),
            **fields,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceRefused(
            f"evidence payload is not a statement of this schema: {error!r}; "
            "produce it with the gate job, the drift monitor or the rollout controller"
        ) from error


def refuse_unfit(evidence: Evidence, needed: Subjects, role: str, now: float) -> None:
    """Raise EvidenceRefused unless `evidence` speaks of exactly `needed`, is signed by the
    right role and has not expired.
    """
    if SIGNERS[evidence.kind] != role:
        raise EvidenceRefused(
            f"{evidence.kind} evidence must be signed by {SIGNERS[evidence.kind]}, "
            f"not by {role}; have {SIGNERS[evidence.kind]} produce it"
        )
    if now >= evidence.expires_at:
        raise EvidenceRefused(f"{evidence.kind} evidence has expired; measure again")
    for name, wanted in asdict(needed).items():
        stated = getattr(evidence.subjects, name)
        if stated != wanted:
            raise EvidenceRefused(
                f"{evidence.kind} evidence was measured with {name} {stated}, "
                f"but {wanted} is needed; measure again with it"
            )
