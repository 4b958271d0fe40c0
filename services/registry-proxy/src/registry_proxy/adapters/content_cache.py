"""This node's copies of a bucket's files, by digest: at most so many bytes, the least used go.

A copy is hashed at every read, like the store's own, so a damaged one is fetched again. What is
read stays readable when it is removed meanwhile.
"""

import os
import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from registry_proxy.adapters.spool import KeptFile, as_unavailable, open_checked, write_file


class ContentCache:
    """Files of one directory, each named by its sha256."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._evicting = threading.Lock()
        with as_unavailable(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in folder.glob("*.partial"):
                left.unlink()

    def open(self, content: str) -> KeptFile | None:
        """Open the copy of a digest; None when there is none, or a damaged one, which goes."""
        path = self._path(content)
        with as_unavailable(path), suppress(FileNotFoundError):
            opened = open_checked(path, content)
            if opened is None:
                path.unlink()
                return None
            os.utime(path)
            return opened
        return None

    def keep(self, content: str, chunks: Iterable[bytes]) -> KeptFile | None:
        """Write a copy and open it; None when the bytes are not the digest's."""
        partial = self._folder / f"{uuid.uuid4().hex}.partial"
        try:
            with as_unavailable(partial):
                if write_file(partial, chunks) != content:
                    return None
                opened = KeptFile(partial.open("rb"))
                partial.rename(self._path(content))
                self._evict()
                return opened
        finally:
            partial.unlink(missing_ok=True)

    def _path(self, content: str) -> Path:
        return self._folder / content.removeprefix("sha256:")

    def _evict(self) -> None:
        with self._evicting:
            files = [(path.stat(), path) for path in self._folder.iterdir() if not path.suffix]
            left = sum(status.st_size for status, _ in files)
            for status, path in sorted(files, key=lambda each: each[0].st_mtime):
                if left <= self._most:
                    break
                path.unlink(missing_ok=True)
                left -= status.st_size
