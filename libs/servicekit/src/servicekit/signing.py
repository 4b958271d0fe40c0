"""Signed statements: ed25519 keys and DSSE envelopes.

DSSE (Dead Simple Signing Envelope, github.com/secure-systems-lab/dsse, protocol.md v1.0.2) signs
the payload's type together with its bytes, so no canonical JSON is needed and a statement of one
kind cannot pass for another. Which key may sign what is the registry's decision, not made here.
"""

import base64
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from servicekit.callers import FileRefused, read_owner_only


class SignatureRefused(Exception):
    """An envelope that does not prove what it says, with the reason."""


class Signer:
    """A private key that signs DSSE envelopes; `key_id` is the sha256 of its raw public key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_text = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        self.key_id = key_id_of(self.public_text)

    def sign(self, payload_type: str, payload: bytes) -> dict[str, Any]:
        """Return the DSSE envelope of a payload as a JSON object."""
        signature = self._key.sign(_pre_authentication_encoding(payload_type, payload))
        return {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": self.key_id, "sig": base64.b64encode(signature).decode()}],
        }


class Verifier:
    """The keys that are trusted: key id to the text `public_key_text` gives, else ValueError."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        for key_id, text in keys.items():
            if key_id_of(text) != key_id:
                raise ValueError(f"Public key {key_id} has another id: {key_id_of(text)}.")
        self._keys = {
            key_id: Ed25519PublicKey.from_public_bytes(_from_base64(text))
            for key_id, text in keys.items()
        }

    def open(self, envelope: Mapping[str, Any]) -> tuple[str, bytes, str]:
        """Return (payload type, payload, key id) of an envelope one trusted key has signed.

        Raises `SignatureRefused`. Decide what the signer may say by the key id returned here; the
        envelope's other signatures prove nothing.
        """
        try:
            payload_type, payload = envelope["payloadType"], _from_base64(envelope["payload"])
            message = _pre_authentication_encoding(payload_type, payload)
            signatures = [(s["keyid"], _from_base64(s["sig"])) for s in envelope["signatures"]]
            known = [(key_id, sig) for key_id, sig in signatures if key_id in self._keys]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise SignatureRefused(f"The envelope is malformed: {error!r}.") from error
        for key_id, signature in known:
            if _is_signed(self._keys[key_id], signature, message):
                return payload_type, payload, key_id
        if known:
            raise SignatureRefused(f"The signature of key {known[0][0]} does not match.")
        named = ", ".join(str(key_id) for key_id, _ in signatures) or "nobody"
        raise SignatureRefused(f"It is signed by {named}: no key in the trust file.")


def generate_key(path: Path) -> Signer:
    """Write a new private key (PEM, mode 0600) and return its signer.

    The file appears whole or not at all. Raises `FileRefused` when it exists already: evidence
    signed by a key that is overwritten could never be verified again.
    """
    pem = new_key()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # its mode is 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, refuses to replace
    except FileExistsError as error:
        raise FileRefused(f"{path} exists already: move it away first.") from error
    finally:
        Path(temporary).unlink()
    return read_signer(pem, str(path))


def load_signer(path: Path) -> Signer:
    """Return the signer of a private key file; raises `FileRefused`."""
    return read_signer(read_owner_only(path).encode(), str(path))


def new_key() -> bytes:
    """Return a new private key (PEM), for a place that is not a file."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def read_signer(pem: bytes, place: str) -> Signer:
    """Return the signer of a private key; raises `FileRefused`, which names its place."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise FileRefused(f"{place} holds no private key in PEM form.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise FileRefused(f"{place} holds another kind of key: an ed25519 key is needed.")
    return Signer(key)


def public_key_text(path: Path) -> str:
    """Return the public key of a private key file for a trust file: its 32 bytes in base64."""
    return load_signer(path).public_text


def key_id_of(public_text: str) -> str:
    """Return the key id of a public key as `public_key_text` gives it."""
    return hashlib.sha256(_from_base64(public_text)).hexdigest()


def _pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _from_base64(text: str) -> bytes:
    # The specification lets a signer choose the standard or the URL-safe alphabet.
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _is_signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
