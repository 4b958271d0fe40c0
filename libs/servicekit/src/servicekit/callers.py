"""Who calls a service: bearer tokens and the roles they carry.

The file holds hashes only, so reading it gives nobody a token. It is read again when it changes,
so a caller is added or removed without a restart. People's identities (OIDC) are not here.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from fastapi import Request

from servicekit.problems import Problem

_log = structlog.get_logger(__name__)


class FileRefused(Exception):
    """A token, caller or key file that must not be used, with the reason."""


@dataclass(frozen=True)
class Caller:
    """A workload or person whose token was recognised."""

    name: str
    roles: frozenset[str]


class TokenFile:
    """The callers a service knows: `{"callers": [{"name", "roles", "sha256"}]}`, mode 0600.

    Every caller also has the role viewer. Raises `FileRefused` when built on a file that is
    missing, open to others or malformed. If it becomes so later, that is logged and the callers
    read before it stay.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _stamp(path)
        self._callers = _read_callers(path)

    def find(self, token: str) -> Caller | None:
        """Return the caller of a token, taking the same time whichever it is."""
        self._read_again_when_changed()
        offered = hashlib.sha256(token.encode()).hexdigest()
        same = [hmac.compare_digest(sha256, offered) for sha256, _ in self._callers]
        return self._callers[same.index(True)][1] if any(same) else None

    def _read_again_when_changed(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp != self._seen:
                self._seen = stamp
                self._callers = _read_callers(self._path)
        except FileRefused as refused:
            _log.error("callers not read again, those read before stay", reason=str(refused))


def caller_dependency(tokens: TokenFile, *roles: str) -> Callable[[Request], Awaitable[Caller]]:
    """Return a FastAPI dependency that yields the `Caller`, who has at least one of `roles`.

    Without a known token it raises a 401 `Problem`, without a fitting role a 403.
    """
    needed = " or ".join(roles)

    async def require(request: Request) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        caller = tokens.find(token.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            detail = f"A bearer token of a caller with role {needed} is needed."
            challenge = {"WWW-Authenticate": "Bearer"}
            raise Problem(401, "unauthorized", "Unauthorized", detail, headers=challenge)
        if caller.roles.isdisjoint(roles):
            has = ", ".join(sorted(caller.roles))
            detail = f"{caller.name} has role {has}; {needed} is needed."
            raise Problem(403, "forbidden", "Forbidden", detail)
        return caller

    return require


def read_token(path: Path) -> str:
    """Return the token a client presents; raises `FileRefused`."""
    return read_owner_only(path).strip()


def read_owner_only(path: Path) -> str:
    """Return the text of a file that only its owner can read; raises `FileRefused`."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise FileRefused(f"{path} cannot be read: {error}.") from error
    if mode & 0o077:
        raise FileRefused(f"{path} has mode {mode:04o}: run chmod 0600, others must not read it.")
    return text


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error}.") from error
    return status.st_mtime_ns, status.st_ino


def _read_callers(path: Path) -> list[tuple[str, Caller]]:
    try:
        return [
            (entry["sha256"].lower(), Caller(entry["name"], frozenset({"viewer", *entry["roles"]})))
            for entry in json.loads(read_owner_only(path))["callers"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        form = '{"callers": [{"name", "roles", "sha256"}]}'
        raise FileRefused(f"{path} is not of the form {form}: {error!r}.") from error
