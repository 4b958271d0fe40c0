"""Files on their way in: written below one directory, hashed on the way, flushed to disk."""

import hashlib
import mmap
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from registry_proxy.artifacts.formats import Content
from registry_proxy.artifacts.ports import StoreUnavailable

CHUNK_BYTES = 1 << 18


class Spool:
    """The directory of intakes; what lies there at the start, a crash left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with as_unavailable(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clean(self) -> None:
        """Remove every intake. Only for the start, before anything is received."""
        with as_unavailable(self.folder):
            for intake in self.folder.iterdir():
                shutil.rmtree(intake)

    @contextmanager
    def intake(self, commit: Callable[[Path, str], None]) -> Iterator["FileIntake"]:
        """Open an intake that `commit(folder, digest)` names; leaving it removes what is left."""
        folder = self.folder / uuid.uuid4().hex
        try:
            with as_unavailable(folder):
                folder.mkdir(mode=0o700)
            yield FileIntake(folder, commit)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class FileIntake:
    """One artifact on its way in."""

    def __init__(self, folder: Path, commit: Callable[[Path, str], None]) -> None:
        self._folder = folder
        self._commit = commit

    def write(self, name: str, chunks: Iterable[bytes]) -> str:
        """Write and flush one file; returns its digest."""
        with as_unavailable(self._folder / name):
            return write_file(self._folder / name, chunks)

    @contextmanager
    def content(self, name: str) -> Iterator[Content]:
        """Map one file, so that a large one costs no memory."""
        with as_unavailable(self._folder / name), (self._folder / name).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                yield b""
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                yield mapped

    def commit(self, digest: str) -> None:
        """Make the artifact visible under its digest."""
        with as_unavailable(self._folder):
            sync(self._folder)
            self._commit(self._folder, digest)


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
            while left and (chunk := file.read(min(left, CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk

    def close(self) -> None:
        """Close without reading."""
        self._file.close()


def write_file(path: Path, chunks: Iterable[bytes]) -> str:
    """Write a new file that nobody may change, down to the disk; returns its digest."""
    hashed = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in chunks:
            hashed.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o400)
    return "sha256:" + hashed.hexdigest()


def open_checked(path: Path, content: str) -> KeptFile | None:
    """Open a file whose every byte was hashed just now; None where they are others."""
    file = path.open("rb")
    if "sha256:" + hashlib.file_digest(file, "sha256").hexdigest() == content:
        return KeptFile(file)
    file.close()
    return None


def sync(folder: Path) -> None:
    """Flush a directory's names to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def as_unavailable(path: Path) -> Iterator[None]:
    """Raise StoreUnavailable for what the disk refuses."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"{path} cannot be written: {error.strerror}; nothing was kept, free space or grant "
            "rights and try again"
        ) from error
