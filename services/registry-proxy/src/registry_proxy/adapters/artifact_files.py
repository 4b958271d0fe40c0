"""Artifacts as files by digest: `sha256/<hex>/<name>` below one directory.

An artifact is written under `incoming/` and then gets its name by one rename. So after a crash it
is there with every byte, or it is not there. One process at a time has the directory.
"""

import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from lifecycle.digests import is_digest, sha256_digest
from registry_proxy.adapters.spool import (
    FileIntake,
    KeptFile,
    Spool,
    as_unavailable,
    open_checked,
    sync,
)
from registry_proxy.artifacts.manifests import MANIFEST_NAME, ArtifactRefused, named_files
from registry_proxy.artifacts.ports import (
    ArtifactDamaged,
    Kept,
    Mark,
    MarkKind,
    StoreUnavailable,
)


class ArtifactFiles:
    """Implements `artifacts.ports.ArtifactStore`, `Shelf` and `Marks` on a local directory."""

    def __init__(self, root: Path) -> None:
        self._kept = root / "sha256"
        self._marks = root / "marks"
        self._spool = Spool(root / "incoming")
        self._naming = threading.Lock()
        with as_unavailable(root):
            for folder in (self._kept, *(self._marks / kind for kind in MarkKind)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clean(self) -> None:
        """Remove intakes and marks that a crash left. Only for the start."""
        self._spool.clean()
        with as_unavailable(self._marks):
            for left in self._marks.glob("*/*"):
                left.unlink()

    def receive(self) -> AbstractContextManager[FileIntake]:
        """Open an intake; leaving it without a commit removes it."""
        return self._spool.intake(self._name)

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

    def open(self, digest: str, name: str, content: str) -> KeptFile:
        """Open a file and check every byte before any is served."""
        path = self._folder(digest) / name
        try:
            checked = open_checked(path, content)
        except FileNotFoundError as error:
            raise ArtifactDamaged(f"{name} of {digest} is missing; register it again") from error
        except OSError as error:
            raise StoreUnavailable(f"{path} cannot be read: {error.strerror}") from error
        if checked is None:
            raise ArtifactDamaged(f"{name} of {digest} is damaged; register it again")
        return checked

    def kept(self) -> Iterator[Kept]:
        """List what is kept; a folder that is no digest's is not ours to judge, and one that goes
        meanwhile is not listed.
        """
        with as_unavailable(self._kept):
            for folder in sorted(self._kept.iterdir()):
                digest = f"sha256:{folder.name}"
                if is_digest(digest):
                    with suppress(FileNotFoundError):
                        size = sum(path.lstat().st_size for path in folder.iterdir())
                        yield Kept(digest, size, folder.stat().st_mtime)

    def remove(self, digest: str) -> None:
        """Take an artifact away with one rename, then its bytes."""
        with as_unavailable(self._kept), self._naming:
            if self._folder(digest).exists():
                self._discard(digest)

    def put(self, mark: Mark) -> None:
        """Make a mark: an empty file."""
        with as_unavailable(self._marks):
            self._mark(mark).touch(0o600)

    def clear(self, mark: Mark) -> None:
        """Take a mark back."""
        with as_unavailable(self._marks):
            self._mark(mark).unlink(missing_ok=True)

    def all(self, kind: MarkKind) -> Iterator[tuple[Mark, float]]:
        """List marks; one that goes meanwhile is not listed."""
        with as_unavailable(self._marks):
            for path in list((self._marks / kind).iterdir()):
                hexadecimal, _, token = path.name.partition(".")
                try:
                    made_at = path.stat().st_mtime
                except FileNotFoundError:
                    continue
                yield Mark(kind, f"sha256:{hexadecimal}", token), made_at

    def _folder(self, digest: str) -> Path:
        return self._kept / digest.removeprefix("sha256:")

    def _mark(self, mark: Mark) -> Path:
        return self._marks / mark.kind / f"{mark.digest.removeprefix('sha256:')}.{mark.token}"

    def _name(self, folder: Path, digest: str) -> None:
        """Rename a finished intake; a whole artifact of that name stays, a damaged one goes."""
        target = self._folder(digest)
        with self._naming:
            if target.exists():
                if self._is_whole(digest):
                    return
                self._discard(digest)
            folder.rename(target)
            sync(self._kept)

    def _discard(self, digest: str) -> None:
        gone = self._spool.folder / uuid.uuid4().hex
        self._folder(digest).rename(gone)
        sync(self._kept)
        shutil.rmtree(gone)

    def _is_whole(self, digest: str) -> bool:
        try:
            content = self.manifest(digest)
            if content is None:
                return False
            for name, expected in named_files(content).items():
                self.open(digest, name, expected).close()
        except (ArtifactDamaged, ArtifactRefused):
            return False
        return True
