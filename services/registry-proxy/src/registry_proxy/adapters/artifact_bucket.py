"""Artifacts in an S3-compatible store: `artifacts/<hex>/<name>` below one prefix of a bucket.

Files are uploaded first and read back, the manifest last: an artifact is there when its manifest
is. Reading goes through a cache on this node, whose files are hashed at every read like the
store's. Several processes may share the prefix; the ledger they share decides what is named.
Written for the store's plain verbs (put, get, list, delete) and their read-after-write promise.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from lifecycle.digests import is_digest, sha256_digest
from registry_proxy.adapters.content_cache import ContentCache
from registry_proxy.adapters.spool import CHUNK_BYTES, FileIntake, KeptFile, Spool
from registry_proxy.artifacts.manifests import MANIFEST_NAME, ArtifactRefused, named_files
from registry_proxy.artifacts.ports import (
    ArtifactDamaged,
    Kept,
    Mark,
    MarkKind,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from obstore.store import S3Config

_SILENCE = timedelta(seconds=30)
_RETRIES = 3
_CODE = re.compile(r"<Code>(\w+)</Code>")


@dataclass(frozen=True)
class Bucket:
    """Where the store is. Without keys the process's own identity is used (its environment's
    AWS_ variables, a web identity, the node's role).
    """

    name: str
    prefix: str
    region: str
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None


class ArtifactBucket:
    """Implements `artifacts.ports.ArtifactStore`, `Shelf` and `Marks` on a bucket.

    `scratch` holds intakes and the cache, of at most `cache_bytes`. Raises StoreUnavailable when
    the bucket cannot be listed.
    """

    def __init__(self, bucket: Bucket, scratch: Path, cache_bytes: int) -> None:
        self._store = _connect(bucket)
        self._spool = Spool(scratch / "incoming")
        self._cache = ContentCache(scratch / "cache", cache_bytes)
        with _answering("cannot be listed"):
            obstore.list_with_delimiter(self._store, "marks")

    def clean(self) -> None:
        """Remove intakes that a crash left here. Marks stay: they may be another process's."""
        self._spool.clean()

    def receive(self) -> AbstractContextManager[FileIntake]:
        """Open an intake on this node; its commit uploads it."""
        return self._spool.intake(self._upload)

    def manifest(self, digest: str) -> bytes | None:
        """Return a manifest whose bytes were checked, None when there is no such artifact."""
        chunks = self._get(_key(digest, MANIFEST_NAME))
        if chunks is None:
            return None
        content = b"".join(chunks)
        if sha256_digest(content) != digest:
            raise ArtifactDamaged(f"the manifest of {digest} is damaged; register it again")
        return content

    def open(self, digest: str, name: str, content: str) -> KeptFile:
        """Open a file of this node's cache, fetched where it is not there, every byte checked."""
        cached = self._cache.open(content)
        if cached is not None:
            return cached
        chunks = self._get(_key(digest, name))
        if chunks is None:
            raise ArtifactDamaged(f"{name} of {digest} is missing; register it again")
        kept = self._cache.keep(content, chunks)
        if kept is None:
            raise ArtifactDamaged(f"{name} of {digest} is damaged; register it again")
        return kept

    def kept(self) -> Iterator[Kept]:
        """List what is kept; of an upload that a crash cut short, its files without a manifest."""
        found: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
        for path, size, written_at in self._list("artifacts"):
            hexadecimal = path.split("/")[1]
            found[f"sha256:{hexadecimal}"].append((size, written_at))
        for digest, files in sorted(found.items()):
            if is_digest(digest):
                newest = max(written_at for _, written_at in files)
                yield Kept(digest, sum(size for size, _ in files), newest.timestamp())

    def remove(self, digest: str) -> None:
        """Take the manifest away, and with it the artifact; then the bytes."""
        paths = [path for path, _, _ in self._list(_key(digest, ""))]
        with _answering("cannot be written"):
            for path in sorted(paths, key=lambda path: not path.endswith(f"/{MANIFEST_NAME}")):
                obstore.delete(self._store, path)

    def put(self, mark: Mark) -> None:
        """Make a mark: an empty object."""
        with _answering("cannot be written"):
            obstore.put(self._store, _mark_key(mark), b"")

    def clear(self, mark: Mark) -> None:
        """Take a mark back."""
        with _answering("cannot be written"):
            obstore.delete(self._store, _mark_key(mark))

    def all(self, kind: MarkKind) -> Iterator[tuple[Mark, float]]:
        """List marks."""
        for path, _, made_at in self._list(f"marks/{kind}"):
            hexadecimal, _, token = path.rpartition("/")[2].partition(".")
            yield Mark(kind, f"sha256:{hexadecimal}", token), made_at.timestamp()

    def _upload(self, folder: Path, digest: str) -> None:
        """Upload and read back, the manifest last; a whole artifact of that name stays."""
        if self._is_whole(digest):
            return
        files = sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST_NAME)
        with _answering("cannot be written; nothing was kept"):
            for file in files:
                obstore.put(self._store, _key(digest, file.name), file)
        if not self._is_whole(digest):
            raise StoreUnavailable(f"the artifact store does not return what was written: {digest}")

    def _is_whole(self, digest: str) -> bool:
        try:
            content = self.manifest(digest)
            files = named_files(content) if content is not None else {}
        except (ArtifactDamaged, ArtifactRefused):
            return False
        return bool(files) and all(
            self._hash(_key(digest, name)) == expected for name, expected in files.items()
        )

    def _hash(self, key: str) -> str | None:
        chunks = self._get(key)
        if chunks is None:
            return None
        hashed = hashlib.sha256()
        for chunk in chunks:
            hashed.update(chunk)
        return "sha256:" + hashed.hexdigest()

    def _get(self, key: str) -> Iterable[bytes] | None:
        try:
            with _answering("cannot be read"):
                return _chunks(obstore.get(self._store, key))
        except _Absent:
            return None

    def _list(self, prefix: str) -> Iterator[tuple[str, int, datetime]]:
        with _answering("cannot be listed"):
            for page in obstore.list(self._store, prefix):
                for each in page:
                    yield str(each["path"]), int(each["size"]), each["last_modified"]


class _Absent(StoreUnavailable):
    """There is no such object; where one must be, the store is not what it should be."""


def _connect(bucket: Bucket) -> S3Store:
    given: S3Config = {"region": bucket.region}
    if bucket.endpoint is not None:
        given["endpoint"] = bucket.endpoint
    if bucket.access_key_id is not None and bucket.secret_access_key is not None:
        given["access_key_id"] = bucket.access_key_id
        given["secret_access_key"] = bucket.secret_access_key
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        config=given,
        client_options={"allow_http": True, "timeout": _SILENCE, "connect_timeout": _SILENCE},
        retry_config={"max_retries": _RETRIES, "retry_timeout": _SILENCE},
    )


def _chunks(answer: "obstore.GetResult") -> Iterator[bytes]:
    with _answering("cannot be read"):
        for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)


def _key(digest: str, name: str) -> str:
    return f"artifacts/{digest.removeprefix('sha256:')}/{name}"


def _mark_key(mark: Mark) -> str:
    return f"marks/{mark.kind}/{mark.digest.removeprefix('sha256:')}.{mark.token}"


@contextmanager
def _answering(failed: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise _Absent(f"the artifact store {failed}: {_reason(error)}") from error
    except BaseError as error:
        raise StoreUnavailable(f"the artifact store {failed}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the store's own code, or the first line: the rest is the client's insides."""
    code = _CODE.search(str(error))
    return code[1] if code else str(error).partition("\n")[0][:300]
