"""Who calls a service: bearer tokens and the roles they carry.

On one machine a file names the callers. It holds hashes only, so reading it gives nobody a token,
and it is read again when it changes, so a caller is added or removed without a restart. A cluster's
callers are in `kubernetes_callers`. People's identities (OIDC) are not here.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, Protocol, TypeVar

import structlog
from fastapi import Request, Security
from fastapi.security import HTTPBearer

from servicekit.problems import Problem

_log = structlog.get_logger(__name__)
BEARER = HTTPBearer(auto_error=False, description="A caller's token; its roles decide.")
"""What an OpenAPI document says of routes for callers."""
_RETRY_AFTER = {"Retry-After": "2"}
_Read = TypeVar("_Read")


class FileRefused(Exception):
    """A token, caller or key file that must not be used, with the reason."""


class CallersUnavailable(Exception):
    """Whether a token is good cannot be found out now; the text says why."""


@dataclass(frozen=True)
class BoundPod:
    """The pod that a token was made for and dies with, as the API server says."""

    name: str
    uid: str


@dataclass(frozen=True)
class Caller:
    """A workload or person whose token was recognised; `pod` None: it is bound to none."""

    name: str
    roles: frozenset[str]
    pod: BoundPod | None = None


class Callers(Protocol):
    """Those who may call this service."""

    async def find(self, token: str, roles: Collection[str]) -> Caller | None:
        """Return whose token it is, None where it is nobody's.

        The caller's roles are those of `roles` that it is known to have: one is enough to be let
        in, so not all need to be asked for. Raises CallersUnavailable.
        """
        ...


class WatchedFile(Generic[_Read]):
    """What `read` makes of a file, read again when the file changes.

    `read` raises `FileRefused`, also when this is built. If the file becomes unusable later, that
    is logged and what was read before stays.
    """

    def __init__(self, path: Path, read: Callable[[Path], _Read]) -> None:
        self._path = path
        self._read = read
        self._seen = _stamp(path)
        self._value = read(path)

    def current(self) -> _Read:
        """Return what the file says now."""
        try:
            stamp = _stamp(self._path)
            if stamp != self._seen:
                self._seen = stamp
                self._value = self._read(self._path)
        except FileRefused as refused:
            _log.error("file not read again, what was read before stays", reason=str(refused))
        return self._value


class TokenFile:
    """Implements `Callers` on a file `{"callers": [{"name", "roles", "sha256"}]}`, mode 0600.

    Every caller also has the role viewer. Raises `FileRefused` when built on a file that is
    missing, open to others or malformed.
    """

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, _read_callers)

    async def find(self, token: str, roles: Collection[str]) -> Caller | None:  # noqa: ARG002 - the file knows all of a caller's roles
        """Return the caller of a token, taking the same time whichever it is."""
        callers = self._file.current()
        offered = hashlib.sha256(token.encode()).hexdigest()
        same = [hmac.compare_digest(sha256, offered) for sha256, _ in callers]
        return callers[same.index(True)][1] if any(same) else None


def caller_dependency(callers: Callers, *roles: str) -> Callable[[Request], Awaitable[Caller]]:
    """Return a FastAPI dependency that yields the `Caller`, who has at least one of `roles`.

    Without a known token it raises a 401 `Problem`, without a fitting role a 403, and a 503 where
    that cannot be found out.
    """

    async def require(
        request: Request,
        _for_the_document: Annotated[object, Security(BEARER)] = None,
    ) -> Caller:
        return await require_caller(callers, request.headers.get("authorization", ""), roles)

    return require


async def require_caller(callers: Callers, authorization: str, roles: Collection[str]) -> Caller:
    """Return whose `Authorization` header it is; raises a `Problem` as `caller_dependency` says."""
    needed = " or ".join(roles)
    scheme, _, token = authorization.partition(" ")
    known = scheme.lower() == "bearer" and token.strip()
    caller = await _find(callers, token.strip(), roles) if known else None
    if caller is None:
        detail = f"A bearer token of a caller with role {needed} is needed."
        challenge = {"WWW-Authenticate": "Bearer"}
        raise Problem(401, "unauthorized", "Unauthorized", detail, headers=challenge)
    if caller.roles.isdisjoint(roles):
        has = "role " + ", ".join(sorted(caller.roles)) if caller.roles else "no role for this"
        detail = f"{caller.name} has {has}; {needed} is needed."
        raise Problem(403, "forbidden", "Forbidden", detail)
    return caller


def read_token(path: Path) -> str:
    """Return the token a client presents; raises `FileRefused`."""
    return read_owner_only(path).strip()


def read_owner_only(path: Path) -> str:
    """Return the text of a file that nobody else can read; raises `FileRefused`."""
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            text = file.read()
        folder_owner = path.resolve().parent.stat().st_uid
    except (OSError, UnicodeDecodeError) as error:
        raise FileRefused(f"{path} cannot be read: {error}.") from error
    mode = status.st_mode & 0o777
    if not is_private(mode, status.st_uid, os.geteuid(), folder_owner):
        raise FileRefused(f"{path} has mode {mode:04o}: run chmod 0600, others must not read it.")
    return text


def is_private(mode: int, owner: int, reader: int, folder_owner: int | None = None) -> bool:
    """Tell whether a file of this mode and owner is the reader's alone.

    So are Secrets and tokens in a pod: root owns them and the pod's group (fsGroup) may read them,
    since a process that is not root could not read a file of root's own. A token, unlike a Secret,
    is the reader's own in a folder of root's, where all containers of the pod run as one user.
    """
    if not mode & 0o077:
        return True
    roots = owner == 0 or (owner == reader and folder_owner == 0)
    return not mode & 0o037 and roots and reader != 0


async def _find(callers: Callers, token: str, roles: Collection[str]) -> Caller | None:
    try:
        return await callers.find(token, roles)
    except CallersUnavailable as unavailable:
        raise Problem(
            503,
            "callers-unavailable",
            "Callers unavailable",
            str(unavailable),
            headers=_RETRY_AFTER,
        ) from unavailable


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
