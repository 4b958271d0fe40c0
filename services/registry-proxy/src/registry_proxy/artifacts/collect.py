"""Removing artifacts that no version names: what a crash left between the bytes and the ledger.

Every version stands in some Stage, and a Release names a version, so an artifact goes only if the
ledger names it nowhere at all. That is asked again after it was marked CONDEMNED, together with
who has RESERVED it (`reserve.py`), so a version that is being registered meanwhile is never lost.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from registry_proxy.artifacts.ports import Kept, Mark, MarkKind, Marks, Shelf, Versions

_ABANDONED_SECONDS = 86_400
"""A mark this old is a crash's: both sides hold theirs for the seconds of one upload or removal."""


@dataclass(frozen=True)
class Collected:
    """What was removed (or would be), what no version names but stays, and what is kept."""

    removed: Sequence[Kept]
    spared: Sequence[Kept]
    named: int

    @property
    def freed_bytes(self) -> int:
        """Bytes of everything that was removed."""
        return sum(kept.size for kept in self.removed)


@dataclass(frozen=True)
class Collector:
    """The ports of a collection, and the clock."""

    shelf: Shelf
    marks: Marks
    versions: Versions
    clock: Callable[[], float]

    def collect(self, older_than_seconds: float, *, dry_run: bool) -> Collected:
        """Remove what no version names and is older than that. Raises StoreUnavailable.

        A dry run says what would go now, and leaves everything.
        """
        everything = list(self.shelf.kept())
        names = self.versions.digests()
        orphans = [kept for kept in everything if kept.digest not in names]
        limit = self.clock() - older_than_seconds
        old = [kept for kept in orphans if kept.written_at <= limit]
        if dry_run:
            removed: Sequence[Kept] = old
        else:
            self._forget_abandoned()
            removed = self._remove(old)
        spared = [kept for kept in orphans if kept not in removed]
        return Collected(removed, spared, len(everything) - len(orphans))

    def _remove(self, candidates: Sequence[Kept]) -> Sequence[Kept]:
        with self._condemned(candidates):
            wanted = {mark.digest for mark, _ in self.marks.all(MarkKind.RESERVED)}
            # After the reservations: one that is gone by now has its version in the ledger.
            named = self.versions.digests()
            doomed = [k for k in candidates if k.digest not in wanted and k.digest not in named]
            for kept in doomed:
                self.shelf.remove(kept.digest)
        return doomed

    @contextmanager
    def _condemned(self, candidates: Sequence[Kept]) -> Iterator[None]:
        token = uuid.uuid4().hex
        own = [Mark(MarkKind.CONDEMNED, kept.digest, token) for kept in candidates]
        try:
            for mark in own:
                self.marks.put(mark)
            yield
        finally:
            for mark in own:
                self.marks.clear(mark)

    def _forget_abandoned(self) -> None:
        limit = self.clock() - _ABANDONED_SECONDS
        for kind in MarkKind:
            for mark, made_at in list(self.marks.all(kind)):
                if made_at < limit:
                    self.marks.clear(mark)
