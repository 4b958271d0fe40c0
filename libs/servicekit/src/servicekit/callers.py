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


class CallersRefused(Exception):
    """A token file that must not be used, with the reason."""


@dataclass(frozen=True)
class Caller:
    """A workload or person whose token was recognised."""

    name: str
    roles: frozenset[str]


class TokenFile:
    """The callers a service knows: `{"callers": [{"name", "roles", "sha256"}]}`, mode 0600.

    Every caller also has the role viewer. Raises `CallersRefused` when built on a file that is
    missing, open to others or malformed. A file that becomes so later is logged, and the callers
    read before it stay.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _stamp(path)
        self._callers = _read(path)

    def find(self, token: str) -> Caller | None:
        """Return the caller of a token, taking the same time whichever it is."""
        self._read_again_when_changed()
        offered = hashlib.sha256(token.encode()).hexdigest()
        found = None
        for sha256, caller in self._callers.items():
            if hmac.compare_digest(sha256, offered):
                found = caller
        return found

    def _read_again_when_changed(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp != self._seen:
                self._seen = stamp
                self._callers = _read(self._path)
        except CallersRefused as refused:
            _log.error("token file refused, the callers read before it stay", reason=str(refused))


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
            raise Problem(
                401, "unauthorized", "Unauthorized", detail, headers={"WWW-Authenticate": "Bearer"}
            )
        if caller.roles.isdisjoint(roles):
            detail = (
                f"{caller.name} has role {', '.join(sorted(caller.roles))}; {needed} is needed."
            )
            raise Problem(403, "forbidden", "Forbidden", detail)
        return caller

    return require


def read_token(path: Path) -> str:
    """Return the token a client presents, from a file only its owner can read."""
    return _owner_only_text(path).strip()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise CallersRefused(f"{path} cannot be read: {error.strerror}.") from error
    return status.st_mtime_ns, status.st_ino


def _read(path: Path) -> dict[str, Caller]:
    try:
        entries = json.loads(_owner_only_text(path))["callers"]
        return {
            str(entry["sha256"]).lower(): Caller(
                str(entry["name"]), frozenset(entry["roles"]) | {"viewer"}
            )
            for entry in entries
        }
    except (ValueError, KeyError, TypeError) as error:
        raise CallersRefused(
            f'{path} is not of the form {{"callers": [{{"name", "roles", "sha256"}}]}}: {error!r}.'
        ) from error


def _owner_only_text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise CallersRefused(
                    f"{path} has mode {mode:04o}, so others can read it: run chmod 0600 on it."
                )
            return file.read()
    except OSError as error:
        raise CallersRefused(f"{path} cannot be read: {error.strerror}.") from error
