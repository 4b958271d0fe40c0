"""Tokens and keys of a local platform, made once: who may call what, and who may sign what.

Each service holds its own token and key only; people hold the operator's token and no key.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping

from isogloss.files import write_json, write_whole
from isogloss.homes import KEY_ROLES, Home
from servicekit.callers import read_token
from servicekit.signing import generate_key, public_key_text

CALLER_ROLES: Mapping[str, tuple[str, ...]] = {
    "operator": ("operator", "trainer", "viewer"),
    "trainer": ("trainer",),
    "gate": ("gate",),
    "predictor": ("predictor",),
    "drift-monitor": ("drift-monitor",),
    "rollout-controller": ("rollout-controller",),
}


def create_credentials(home: Home) -> None:
    """Make whatever is missing; what exists stays, because others hold it already."""
    for caller in CALLER_ROLES:
        if not home.token(caller).exists():
            write_whole(home.token(caller), secrets.token_urlsafe(32).encode() + b"\n")
    for role in KEY_ROLES:
        if not home.key(role).exists():
            generate_key(home.key(role))
    if not home.fingerprint_key.exists():
        write_whole(home.fingerprint_key, secrets.token_hex(32).encode() + b"\n")
    _write_when_changed(home)


def _write_when_changed(home: Home) -> None:
    callers = [
        {
            "name": caller,
            "roles": list(roles),
            "sha256": hashlib.sha256(read_token(home.token(caller)).encode()).hexdigest(),
        }
        for caller, roles in CALLER_ROLES.items()
    ]
    keys = [{"role": role, "public": public_key_text(home.key(role))} for role in KEY_ROLES]
    for path, document in ((home.callers, {"callers": callers}), (home.trust, {"keys": keys})):
        if not path.exists() or json.loads(path.read_bytes()) != document:
            write_json(path, document)
