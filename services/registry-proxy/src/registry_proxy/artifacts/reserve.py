"""Keeping an artifact from being collected between its commit and its entry in the ledger.

Who registers marks the digest RESERVED and then looks whether it is CONDEMNED; who collects marks
it CONDEMNED and then looks whether it is RESERVED or named (`collect.py`). Of two that meet, at
least one sees the other's mark and gives way, in whatever order their steps fall. The mark goes
only after the ledger names the version, so whoever finds it gone finds the version.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from registry_proxy.artifacts.ports import Mark, MarkKind, Marks


class BeingCollected(Exception):
    """The same bytes are being removed just now; nothing was kept, try again in a moment."""


@contextmanager
def reserved(marks: Marks, digest: str) -> Iterator[None]:
    """Hold a digest while it is committed and recorded; raises BeingCollected."""
    own = Mark(MarkKind.RESERVED, digest, uuid.uuid4().hex)
    marks.put(own)
    try:
        if digest in {mark.digest for mark, _ in marks.all(MarkKind.CONDEMNED)}:
            raise BeingCollected(
                f"{digest} is being removed just now; register it again in a moment, and if this "
                "stays, end what a crash left with `isogloss artifacts gc`"
            )
        yield
    finally:
        marks.clear(own)
