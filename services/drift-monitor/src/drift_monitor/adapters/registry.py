"""References from the registry-proxy, verified by digest, kept on disk."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from drift_monitor.ports import ReferenceRefused, References, RegistryUnavailable

_FILE = "reference.safetensors"
# 10,000 rows with a few labels are 3 MB.
_MAX_BYTES = 64 * 1024 * 1024
_TIMEOUT_SECONDS = 5.0

_log = logging.getLogger(__name__)


class HttpReferences:
    """Fetches a version's Reference over HTTP; implements `ports.References`."""

    def __init__(self, client: httpx.Client, token: Callable[[], str]) -> None:
        """Take a client with the registry's base_url, and this process's token as it is now."""
        self._client = client
        self._token = token

    def fetch(self, digest: str) -> bytes:
        """Return the file whose hash the manifest names and whose manifest the digest names."""
        manifest = self._get(digest, "manifest")
        if _digest_of(manifest) != digest:
            raise ReferenceRefused(f"the registry's manifest of {digest} has another digest")
        expected = _file_digest(manifest)
        if expected is None:
            raise ReferenceRefused(f"the artifact {digest} holds no {_FILE}")
        content = self._get(digest, f"files/{_FILE}")
        if _digest_of(content) != expected:
            raise ReferenceRefused(f"{_FILE} of {digest} is not the one its manifest names")
        return content

    def _get(self, digest: str, what: str) -> bytes:
        path = f"/v1/artifacts/{digest}/{what}"
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            answer = self._client.get(path, headers=headers, timeout=_TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"GET {path}: {error!r}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise ReferenceRefused(f"the registry has no {what} of {digest}")
        if answer.status_code != httpx.codes.OK:
            raise RegistryUnavailable(f"GET {path}: {answer.status_code} {answer.text:.200}")
        if len(answer.content) > _MAX_BYTES:
            raise ReferenceRefused(f"{what} of {digest} is larger than {_MAX_BYTES} bytes")
        return answer.content


class KeptReferences:
    """Keeps what another source fetched in a directory, so a restart needs no registry."""

    def __init__(self, source: References, directory: Path) -> None:
        self._source = source
        self._directory = directory

    def fetch(self, digest: str) -> bytes:
        """Return the kept file, or fetch and keep it."""
        kept = self._directory / f"{digest.removeprefix('sha256:')}.safetensors"
        if kept.exists():
            return kept.read_bytes()
        content = self._source.fetch(digest)
        partial = kept.with_suffix(".partial")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.write_bytes(content)
            partial.replace(kept)
        except OSError as error:
            # It can be fetched again; without a place to keep it that is all that is lost.
            _log.warning("the Reference of %s is not kept: %s", digest, error)
        return content


def _file_digest(manifest: bytes) -> str | None:
    try:
        document: Any = json.loads(manifest)
        files = document["files"]
        return str(files[_FILE]) if _FILE in files else None
    except (ValueError, KeyError, TypeError) as error:
        raise ReferenceRefused(f"the manifest is not an artifact's: {error!r}") from error


def _digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
