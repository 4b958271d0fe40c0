"""An issuer's public keys (JWKS, RFC 7517), fetched and kept, so that it may change them any time.

A key that is not known yet is looked for at once, but seldom, since anybody can name one; a key
that the issuer has dropped is dropped within minutes.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from servicekit.callers import CallersUnavailable, FileRefused, read_token
from servicekit.token_claims import KEY_KINDS, Key

_log = structlog.get_logger(__name__)

FRESH_SECONDS = 300.0
"""How long a key that was dropped may still count while the issuer answers."""
OLDEST_SECONDS = 3600.0
"""How long known keys count while it does not: it restarts within that."""
SELDOM_SECONDS = 10.0
"""Least time between two requests for keys, whatever tokens come in."""
_TIMEOUT_SECONDS = 5.0
_MOST_BYTES = 1 << 20
_MOST_KEYS = 100
_LEAST_RSA_BITS = 2048


class KeysUnreadable(Exception):
    """The issuer's keys cannot be had now; the text says why."""


@dataclass(frozen=True)
class KeySource:
    """Where keys are: `place` is an address or a file, None for what the issuer's own discovery
    document names. The CA file and the token file are for an API server that asks who reads.
    """

    issuer: str
    place: str | None = None
    ca_file: Path | None = None
    token_file: Path | None = None

    async def read(self) -> object:
        """Return the parsed set of keys; raises KeysUnreadable."""
        if self.place and not self.place.startswith(("http://", "https://")):
            return _parsed(_of_file(Path(self.place)))
        place = self.place or await self._discovered()
        return _parsed(await self._fetch(place))

    async def _discovered(self) -> str:
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        document = _parsed(await self._fetch(address))
        if not isinstance(document, dict) or document.get("issuer") != self.issuer:
            raise KeysUnreadable(f"{address} is not of issuer {self.issuer}")
        return str(document.get("jwks_uri"))

    async def _fetch(self, address: str) -> bytes:
        if not is_private_way(address):
            raise KeysUnreadable(f"{address} is neither https nor on this machine")
        try:
            headers = (
                {"authorization": f"Bearer {read_token(self.token_file)}"}
                if (self.token_file)
                else {}
            )
            verify: Any = str(self.ca_file) if self.ca_file else True
            async with (
                httpx.AsyncClient(verify=verify, timeout=_TIMEOUT_SECONDS) as http,
                http.stream("GET", address, headers=headers) as answer,
            ):
                answer.raise_for_status()
                return await _bounded(answer)
        except (httpx.HTTPError, OSError, FileRefused) as error:
            raise KeysUnreadable(f"{address}: {error!r}") from error


class IssuerKeys:
    """The keys of one issuer by their id; `clock` gives seconds and never goes back."""

    def __init__(
        self, source: KeySource, algorithms: Collection[str], clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._algorithms = algorithms
        self._clock = clock
        self._keys: Mapping[str, Key] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading = asyncio.Lock()

    async def find(self, key_id: str) -> Key | None:
        """Return a key, None where the issuer has none of that id; raises CallersUnavailable."""
        if self._is_due(key_id):
            async with self._reading:
                if self._is_due(key_id):
                    await self._read()
        if self._read_at is None or self._clock() - self._read_at > OLDEST_SECONDS:
            raise CallersUnavailable("The issuer of tokens does not give its keys now: try again.")
        return self._keys.get(key_id)

    def _is_due(self, key_id: str) -> bool:
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < SELDOM_SECONDS:
            return False
        old = self._read_at is None or now - self._read_at > FRESH_SECONDS
        return old or key_id not in self._keys

    async def _read(self) -> None:
        try:
            self._keys = usable_keys(await self._source.read(), self._algorithms)
            self._read_at = self._clock()
        except KeysUnreadable as error:
            _log.warning("keys of the issuer not read", reason=str(error))
        finally:
            self._tried_at = self._clock()


def usable_keys(document: object, algorithms: Collection[str]) -> Mapping[str, Key]:
    """Return the keys of a set that can check signatures; raises KeysUnreadable.

    Left out is what has no id, is symmetric, short, of another use or algorithm.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise KeysUnreadable("it is no set of at most 100 keys")
    found: dict[str, Key] = {}
    for each in listed:
        key = _usable(each, algorithms)
        if key is not None:
            found.setdefault(each["kid"], key)
    return found


def is_private_way(address: str) -> bool:
    """Tell whether nobody on the way can change what an address answers: https, or loopback."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")


def _usable(each: Any, algorithms: Collection[str]) -> Key | None:
    kinds = {KEY_KINDS[name] for name in algorithms}
    if not isinstance(each, dict) or not isinstance(each.get("kid"), str):
        return None
    if each.get("kty") not in kinds or each.get("use", "sig") != "sig":
        return None
    if each.get("alg") is not None and each["alg"] not in algorithms:
        return None
    if each["kty"] == "RSA" and len(str(each.get("n"))) * 6 < _LEAST_RSA_BITS:
        return None
    try:
        key: Any = JWKRegistry.import_key(each)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if key.key_type == "RSA" and key.public_key.key_size < _LEAST_RSA_BITS:
        return None
    usable: Key = key
    return usable


async def _bounded(answer: httpx.Response) -> bytes:
    content = b""
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > _MOST_BYTES:
            raise KeysUnreadable(f"{answer.url} has more than {_MOST_BYTES} bytes")
    return content


def _of_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise KeysUnreadable(f"{path}: {error}") from error


def _parsed(content: bytes) -> object:
    try:
        document: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise KeysUnreadable(f"it is not JSON: {error}") from error
    return document
