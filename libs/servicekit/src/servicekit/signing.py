"""Signed statements: ed25519 keys and DSSE envelopes.

DSSE (Dead Simple Signing Envelope, github.com/secure-systems-lab/dsse, protocol.md v1.0.2) signs
the payload's type together with its bytes, so no canonical JSON is needed and a statement of one
kind cannot pass for another. Which key may sign what is the registry's decision, not made here.
"""

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class KeyRefused(Exception):
    """A key file or key text that must not be used, with the reason."""


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
    """The public keys that are trusted: key id to the text `public_key_text` gives."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = {key_id: _trusted_key(key_id, text) for key_id, text in keys.items()}

    def open(self, envelope: Mapping[str, Any]) -> tuple[str, bytes, str]:
        """Return (payload type, payload, key id) of an envelope one trusted key has signed.

        Raises `SignatureRefused`. Decide what the signer may say by the key id returned here; the
        envelope's other signatures prove nothing.
        """
        try:
            payload_type = str(envelope["payloadType"])
            payload = _from_base64(envelope["payload"])
            signatures = [
                (str(s.get("keyid", "")), _from_base64(s["sig"])) for s in envelope["signatures"]
            ]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise SignatureRefused(f"The envelope is malformed: {error!r}.") from error
        message = _pre_authentication_encoding(payload_type, payload)
        for key_id, signature in signatures:
            if key_id in self._keys and _is_signed(self._keys[key_id], signature, message):
                return payload_type, payload, key_id
        raise SignatureRefused(self._reason([key_id for key_id, _ in signatures]))

    def _reason(self, key_ids: list[str]) -> str:
        if not key_ids:
            return "The envelope carries no signature."
        if known := [key_id for key_id in key_ids if key_id in self._keys]:
            return f"The signature of key {known[0]} does not match: the payload was changed."
        return f"Key {key_ids[0]!r} is not trusted: add its public key to the trust file."


def generate_key(path: Path) -> Signer:
    """Write a new private key (PEM, mode 0600) and return its signer.

    The file appears whole or not at all. Raises `KeyRefused` when it exists already: evidence
    signed by a key that is overwritten could never be verified again.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp's mode is 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, refuses to replace
    except FileExistsError as error:
        raise KeyRefused(f"{path} exists already: remove it first if the key is lost.") from error
    finally:
        Path(temporary).unlink()
    return Signer(key)


def load_signer(path: Path) -> Signer:
    """Return the signer of a private key file; raises `KeyRefused`."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            pem = file.read()
    except OSError as error:
        raise KeyRefused(f"{path} cannot be read: {error.strerror}.") from error
    if mode & 0o077:
        raise KeyRefused(f"{path} has mode {mode:04o}, so others can sign: run chmod 0600 on it.")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyRefused(f"{path} holds no private key in PEM form.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused(f"{path} holds another kind of key: an ed25519 key is needed.")
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


def _trusted_key(key_id: str, text: str) -> Ed25519PublicKey:
    try:
        key = Ed25519PublicKey.from_public_bytes(_from_base64(text))
    except ValueError as error:
        raise KeyRefused(f"Public key {key_id} is not 32 bytes in base64.") from error
    if key_id_of(text) != key_id:
        raise KeyRefused(f"Public key {key_id} has another id: {key_id_of(text)}.")
    return key


def _from_base64(text: str) -> bytes:
    # The specification lets a signer choose the standard or the URL-safe alphabet.
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error


def _is_signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
