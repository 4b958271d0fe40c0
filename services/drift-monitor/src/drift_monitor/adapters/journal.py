"""The journal of event batches: written before a batch is acknowledged, read again at start.

Records survive a killed process; the last second before a power cut may be lost (no fsync per
batch: it would cost more than the prediction did). Segments are dropped once the database holds
what was in them.
"""

import errno
import logging
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from drift_monitor.ports import JournalRefused, Record

_HEADER = struct.Struct("<QdII")  # sequence number, received at, length, checksum of the body
_SEGMENT_BYTES = 8 * 1024 * 1024

_log = logging.getLogger(__name__)


def journal_name(directory: Path) -> str:
    """Return the name of this directory's journal, made at the first start: no other has it."""
    kept = directory / "journal-name"
    if not kept.exists():
        partial = kept.with_suffix(".partial")
        partial.write_text(secrets.token_hex(8))
        partial.replace(kept)
    return kept.read_text()


class FileJournal:
    """Numbered records in files named by their first number; one writer."""

    def __init__(self, directory: Path, applied: int) -> None:
        """Open and cut off a torn last record; numbers go on after `applied` at least."""
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        segments = self._segments()
        last = _mend(segments[-1]) if segments else None
        self._next = max(applied, last if last is not None else 0) + 1
        self._file, self._size = self._start_segment()

    def append(self, received_at: float, body: bytes) -> Record:
        """Write one record to the end, or raise JournalRefused leaving the journal as it was."""
        record = Record(self._next, received_at, body)
        content = _HEADER.pack(self._next, received_at, len(body), zlib.crc32(body)) + body
        try:
            written = os.write(self._file, content)
            if written != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - one way out
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise JournalRefused(
                f"the journal in {self._directory} cannot be written: {error.strerror}"
            ) from error
        self._next += 1
        self._size += len(content)
        if self._size >= _SEGMENT_BYTES:
            os.close(self._file)
            self._file, self._size = self._start_segment()
        return record

    def read_after(self, applied: int) -> Iterator[Record]:
        """Yield the records with numbers above `applied`, in order."""
        last: int | None = None
        for segment in self._segments():
            if last is not None and int(segment.stem) > last + 1:
                _log.error("records %d to %d are damaged", last + 1, int(segment.stem) - 1)
            last = int(segment.stem) - 1
            for record, _ in _read(segment):
                last = record.seq
                if record.seq > applied:
                    yield record

    def forget(self, applied: int) -> None:
        """Drop the segments whose every record has a number up to `applied`."""
        segments = self._segments()
        for segment, following in pairwise(segments):
            if int(following.stem) <= applied + 1:
                segment.unlink()

    def close(self) -> None:
        """Flush to the disk and close."""
        os.fsync(self._file)
        os.close(self._file)

    def _start_segment(self) -> tuple[int, int]:
        path = self._directory / f"{self._next:020d}.journal"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return file, os.fstat(file).st_size

    def _segments(self) -> list[Path]:
        return sorted(self._directory.glob("*.journal"))


def _mend(segment: Path) -> int | None:
    """Cut a torn tail off; return the last number in the segment."""
    last, good = int(segment.stem) - 1, 0
    for record, end in _read(segment):
        last, good = record.seq, end
    torn = segment.stat().st_size - good
    if torn:
        _log.warning("cut %d bytes of an unfinished record off %s", torn, segment)
        os.truncate(segment, good)
    return last


def _read(segment: Path) -> Iterator[tuple[Record, int]]:
    """Yield the whole records of a segment, each with the offset of its end."""
    with segment.open("rb") as file:
        end = 0
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            seq, received_at, length, checksum = _HEADER.unpack(header)
            body = file.read(length)
            if len(body) != length or zlib.crc32(body) != checksum:
                return
            end += _HEADER.size + length
            yield Record(seq, received_at, body), end
