"""What the ledger's use cases need from outside: a book that is only ever added to, a clock, and
a cluster that is told what it may run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lifecycle.ledger import Anchor, ChainReport, Draft, LedgerEntry
from lifecycle.model_states import ModelState

Clock = Callable[[], float]
"""Seconds since the epoch, UTC."""
ReadYaml = Callable[[bytes], object]
"""Parses one YAML document; raises lifecycle's DocumentRefused."""


class HeadMoved(Exception):
    """Somebody wrote to the model since it was read; nothing was written."""


class StageHeld(Exception):
    """The page would give a Stage to two versions of one model; nothing was written."""


class LedgerUnavailable(Exception):
    """The book cannot be read or written; the text says why. Nothing was written, unless the
    database fell silent at the very end: so look before trying again.
    """


class AdmittedUnavailable(Exception):
    """What the cluster admits cannot be read or written now; the text says why."""


@dataclass(frozen=True)
class Page:
    """What one request adds: entries, and the documents whose digests they name."""

    drafts: tuple[Draft, ...]
    documents: tuple[bytes, ...] = ()


class Ledger(Protocol):
    """An append-only, hash-chained book over all models. Every method may raise
    LedgerUnavailable.
    """

    def state(self, model: str) -> ModelState:
        """Fold the model's entries; sequence 0 when there are none."""
        ...

    def head(self) -> int:
        """Return the number of the last entry of all models, 0 where there is none."""
        ...

    def models(self) -> tuple[str, ...]:
        """Return the names of all models with an entry, sorted."""
        ...

    def append(self, model: str, seen: int, page: Page) -> ModelState:
        """Write the whole page or nothing and return the state after it.

        Raises HeadMoved unless the model's last entry is still number `seen`, and StageHeld.
        """
        ...

    def entries(self, model: str | None, after: int, limit: int) -> Sequence[LedgerEntry]:
        """Return up to `limit` entries after number `after`, of one model or (None) of all."""
        ...

    def document(self, digest: str) -> bytes | None:
        """Return a stored document, or None when there is none of that digest."""
        ...

    def verify(self, anchors: Sequence[Anchor] = ()) -> ChainReport:
        """Walk the whole chain, up to the last entry that was written and through `anchors`."""
        ...


class AdmittedVersions(Protocol):
    """What a cluster may run: `<model>.<64 hex digits>` to where the version stands."""

    async def put(self, wanted: Mapping[str, str]) -> bool:
        """Make these, and no others, the admitted ones; True where that changed something.

        Raises AdmittedUnavailable.
        """
        ...
