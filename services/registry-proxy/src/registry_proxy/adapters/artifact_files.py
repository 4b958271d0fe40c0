"""Artifacts as files by digest: `sha256/<hex>/<name>` below one directory.

A file is written under `incoming/`, hashed on the way, flushed to disk; the whole artifact then
gets its name by one rename. So after a crash it is there with every byte, or it is not there.
"""

import hashlib
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from lifecycle.digests import sha256_digest
from registry_proxy.artifacts.manifests import MANIFEST_NAME, ArtifactRefused, read_manifest
from registry_proxy.artifacts.ports import ArtifactDamaged, StoreUnavailable

_CHUNK_BYTES = 1 << 18


class ArtifactFiles:
    """Implements `artifacts.ports.ArtifactStore` on a local directory."""

    def __init__(self, root: Path) -> None:
        self._kept = root / "sha256"
        self._incoming = root / "incoming"
        self._aside = root / "aside"
        self._naming = threading.Lock()
        with _as_unavailable(root):
            for folder in (self._kept, self._incoming, self._aside):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clean(self, known: Collection[str]) -> int:
        """Remove intakes that a crash left, and set artifacts aside that no version names.

        Set aside, not removed: a ledger that is restored from a backup may name them again.
        Only for the start, before anything is received. Returns how many artifacts that were.
        """
        with _as_unavailable(self._kept):
            for intake in self._incoming.iterdir():
                shutil.rmtree(intake)
            names = {digest.removeprefix("sha256:") for digest in known}
            orphans = [path for path in self._kept.iterdir() if path.name not in names]
            for orphan in orphans:
                aside = self._aside / orphan.name
                shutil.rmtree(aside, ignore_errors=True)
                orphan.rename(aside)
        return len(orphans)

    @contextmanager
    def receive(self) -> Iterator["FileIntake"]:
        """Open an intake; leaving it without a commit removes it."""
        folder = self._incoming / uuid.uuid4().hex
        try:
            with _as_unavailable(folder):
                folder.mkdir(mode=0o700)
            yield FileIntake(folder, self._name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def manifest(self, digest: str) -> bytes | None:
        """Return a manifest whose bytes were checked, None when there is no such artifact."""
        path = self._folder(digest) / MANIFEST_NAME
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable(f"{path} cannot be read: {error.strerror}") from error
        if sha256_digest(content) != digest:
            raise ArtifactDamaged(f"the manifest of {digest} is damaged; register it again")
        return content

    def open(self, digest: str, name: str, content: str) -> "KeptFile":
        """Open a file and check every byte before any is served."""
        path = self._folder(digest) / name
        try:
            file = path.open("rb")
            if _hash(file) == content:
                return KeptFile(file)
            file.close()
        except FileNotFoundError as error:
            raise ArtifactDamaged(f"{name} of {digest} is missing; register it again") from error
        except OSError as error:
            raise StoreUnavailable(f"{path} cannot be read: {error.strerror}") from error
        raise ArtifactDamaged(f"{name} of {digest} is damaged; register it again")

    def _folder(self, digest: str) -> Path:
        return self._kept / digest.removeprefix("sha256:")

    def _name(self, folder: Path, digest: str) -> None:
        """Rename a finished intake; a whole artifact of that name stays, a damaged one goes."""
        target = self._folder(digest)
        with self._naming:
            if target.exists():
                if self._is_whole(digest):
                    return
                damaged = self._incoming / uuid.uuid4().hex
                target.rename(damaged)
                shutil.rmtree(damaged)
            folder.rename(target)
            _sync(self._kept)

    def _is_whole(self, digest: str) -> bool:
        try:
            content = self.manifest(digest)
            if content is None:
                return False
            for name, expected in read_manifest(content).files.items():
                self.open(digest, name, expected).close()
        except (ArtifactDamaged, ArtifactRefused):
            return False
        return True


class FileIntake:
    """One artifact under `incoming/`."""

    def __init__(self, folder: Path, name: Callable[[Path, str], None]) -> None:
        self._folder = folder
        self._name = name

    def write(self, name: str, chunks: Iterable[bytes]) -> str:
        """Write and flush one file; returns its digest."""
        hashed = hashlib.sha256()
        with _as_unavailable(self._folder / name), (self._folder / name).open("xb") as file:
            for chunk in chunks:
                hashed.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o400)
        return "sha256:" + hashed.hexdigest()

    def commit(self, digest: str) -> None:
        """Make the artifact visible under its digest."""
        with _as_unavailable(self._folder):
            _sync(self._folder)
            self._name(self._folder, digest)


class KeptFile:
    """An open file whose bytes matched a moment ago; what is read is what was checked."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Stream bytes [start, stop), then close."""
        with self._file as file:
            file.seek(start)
            left = stop - start
            while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk

    def close(self) -> None:
        """Close without reading."""
        self._file.close()


@contextmanager
def _as_unavailable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"{path} cannot be written: {error.strerror}; nothing was kept, free space or grant "
            "rights and try again"
        ) from error


def _hash(file: BufferedReader) -> str:
    return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
