"""Content hashes and the one canonical JSON form that they are taken over."""

import hashlib
import json
import re

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
NO_CONTENT = "none"
"""Stands where a digest belongs and there is nothing to hash (no prompt, no image)."""


def canonical_json(value: object) -> bytes:
    """Render `value` as UTF-8 JSON: sorted keys, no spaces, NaN refused."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def sha256_digest(content: bytes) -> str:
    """Return `sha256:<64 hex digits>` of `content`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def is_digest(text: str) -> bool:
    """Tell whether `text` is a digest in the only spelling used here."""
    return _DIGEST.fullmatch(text) is not None
