"""The artifact from the registry-proxy: by digest, file by file, kept in a cache by digest.

A download goes to a partial directory beside the cache and gets its name by one rename when every
file's hash is right; an interrupted one goes on where it stopped. One process at a time downloads
a digest, others wait for it. Only a cached artifact whose bytes are still right is used.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from inference.ports import ArtifactRefused, ArtifactUnavailable
from servicekit.callers import FileRefused, read_token
from textmodels.artifacts import ArtifactError, Manifest, read_manifest, verify_files

# Per read, not for a whole file: a slow download of a large file is no failure.
_TIMEOUT = httpx.Timeout(10.0, read=30.0)
_MANIFEST_LIMIT_BYTES = 4 << 20
_MANIFEST_NAME = "manifest.json"


class RegistryProxy:
    """One artifact at a registry-proxy."""

    def __init__(self, url: str, token_file: Path, digest: str, cache_dir: Path) -> None:
        self.digest = digest
        self._url = f"{url.rstrip('/')}/v1/artifacts/{digest}"
        self._token_file = token_file
        self._cached = cache_dir / digest.removeprefix("sha256:")
        self._partial = cache_dir / f".{self._cached.name}.partial"

    def fetch(self) -> Path:
        """Return the cached artifact, after downloading what is not there yet."""
        try:
            with _only_one(self._partial.with_suffix(".lock")):
                if not self._is_cached():
                    self._download()
        except OSError as error:
            raise ArtifactUnavailable(f"{self._cached} cannot be written: {error}") from error
        return self._cached

    def _is_cached(self) -> bool:
        if not self._cached.exists():
            return False
        try:
            manifest = read_manifest(self._cached)
            verify_files(self._cached, manifest)
        except ArtifactError:
            intact = False
        else:
            intact = manifest.digest == self.digest
        if not intact:
            shutil.rmtree(self._cached)
        return intact

    def _download(self) -> None:
        self._partial.mkdir(parents=True, exist_ok=True)
        try:
            token = read_token(self._token_file)
            headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
            with httpx.Client(timeout=_TIMEOUT, headers=headers) as http:
                manifest = self._download_manifest(http)
                for name, digest in manifest.files.items():
                    self._download_file(http, name, digest)
        except FileRefused as error:
            raise ArtifactUnavailable(str(error)) from error
        except httpx.HTTPError as error:
            raise ArtifactUnavailable(f"{self._url} cannot be fetched: {error!r}") from error
        _sync(self._partial)
        self._partial.rename(self._cached)
        _sync(self._cached.parent)

    def _download_manifest(self, http: httpx.Client) -> Manifest:
        path = self._partial / _MANIFEST_NAME
        with http.stream("GET", f"{self._url}/manifest") as answer:
            _require_success(answer)
            raw = b""
            for chunk in answer.iter_raw():
                raw += chunk
                if len(raw) > _MANIFEST_LIMIT_BYTES:
                    raise ArtifactRefused(f"{self._url}/manifest has more than 4 MiB")
        if f"sha256:{hashlib.sha256(raw).hexdigest()}" != self.digest:
            raise ArtifactUnavailable(f"{self._url}/manifest does not have the digest it is for")
        try:
            manifest = Manifest.from_bytes(raw)
        except ArtifactError as error:
            raise ArtifactRefused(f"{self.digest}: {error}") from error
        with path.open("wb") as file:
            file.write(raw)
            os.fsync(file.fileno())
        return manifest

    def _download_file(self, http: httpx.Client, name: str, digest: str) -> None:
        path = self._partial / name
        have = path.stat().st_size if path.exists() else 0
        if have and _digest_of(path) == digest:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        with http.stream("GET", f"{self._url}/files/{name}", headers=headers) as answer:
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                path.unlink()
                raise ArtifactUnavailable(f"{self._url}/files/{name}: what was kept is not of it")
            _require_success(answer)
            resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
            with path.open("ab" if resumed else "wb") as file:
                for chunk in answer.iter_raw():  # as it comes: what was received is kept
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        if _digest_of(path) != digest:
            path.unlink()
            raise ArtifactUnavailable(f"{self._url}/files/{name} does not have its sha256")


def _require_success(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    said = f"{answer.request.url} answers {answer.status_code}"
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise ArtifactRefused(f"{said}: register the version, or correct the digest")
    raise ArtifactUnavailable(said)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
