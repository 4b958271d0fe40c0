"""Whose signature counts for what: trusted keys by role, and opening signed Evidence.

A stolen or retired key is dropped from the trust file; what it signed before then no longer
opens, so it no longer counts.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.documents import Fields
from lifecycle.evidence import PAYLOAD_TYPE, Evidence, EvidenceRefused, evidence_from_document
from servicekit.signing import SignatureRefused, Verifier, key_id_of


@dataclass(frozen=True)
class TrustedKey:
    """A public key (base64 of its 32 bytes) and the one role it signs for."""

    role: str
    public: str


@dataclass(frozen=True)
class SignedEvidence:
    """Evidence whose signature was checked; `content` is the envelope in canonical form."""

    evidence: Evidence
    role: str
    content: bytes

    @property
    def digest(self) -> str:
        """Return the envelope's digest, by which the ledger names the Evidence."""
        return sha256_digest(self.content)


class Trust:
    """Opens envelopes signed by a known key and says which role that key has.

    Raises ValueError when built on a malformed key.
    """

    def __init__(self, keys: Iterable[TrustedKey]) -> None:
        listed = [(key_id_of(key.public), key) for key in keys]
        self._roles = {key_id: key.role for key_id, key in listed}
        self._verifier = Verifier({key_id: key.public for key_id, key in listed})

    def open(self, envelope: Mapping[str, Any]) -> SignedEvidence:
        """Return what a trusted key has signed; raises EvidenceRefused."""
        try:
            payload_type, payload, key_id = self._verifier.open(envelope)
        except SignatureRefused as refused:
            raise EvidenceRefused(str(refused)) from refused
        if payload_type != PAYLOAD_TYPE:
            raise EvidenceRefused(
                f"the envelope holds {payload_type!r}, not Evidence ({PAYLOAD_TYPE})"
            )
        evidence = evidence_from_document(_json_object(payload))
        return SignedEvidence(evidence, self._roles[key_id], canonical_json(envelope))

    def open_stored(self, content: bytes) -> SignedEvidence:
        """Open an envelope that the ledger kept; raises EvidenceRefused."""
        return self.open(_json_object(content))


def trusted_keys(document: object) -> tuple[TrustedKey, ...]:
    """Read the trust file `{"keys": [{"role", "public"}]}`; raises DocumentRefused."""
    fields = Fields(document, "trust")
    keys = []
    for index, item in enumerate(fields.items("keys")):
        key = Fields(item, f"trust.keys[{index}]")
        keys.append(TrustedKey(key.text("role"), key.text("public")))
        key.close()
    fields.close()
    return tuple(keys)


def is_envelope(content: bytes) -> bool:
    """Tell whether a stored document is an envelope (a policy is the other kind)."""
    try:
        return "payloadType" in _json_object(content)
    except EvidenceRefused:
        return False


def _json_object(content: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(content)
        # NaN and broken text are read by Python, but could not be written into an entry.
        canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise EvidenceRefused(f"the signed payload is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise EvidenceRefused("the signed payload is not a JSON object")
    return value
