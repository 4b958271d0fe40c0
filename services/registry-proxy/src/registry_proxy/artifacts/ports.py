"""What admitting and serving artifacts needs: runs to read, a store to keep, versions to record."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from registry_proxy.artifacts.formats import Content


class RunUnknown(Exception):
    """There is no such run, or nothing at that path of it."""


class RunsUnavailable(Exception):
    """The tracking server does not answer as it should; asking again later may help."""


class StoreUnavailable(Exception):
    """The store cannot be read or written (full, no rights); nothing was kept."""


class ArtifactDamaged(Exception):
    """Kept bytes are not the ones their digest names; register the version again."""


@dataclass(frozen=True)
class Run:
    """A training run as the tracking server has it."""

    id: str
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class RunFile:
    """One file of a run: its path below the artifact's folder, and its size in bytes."""

    path: str
    size: int


class Runs(Protocol):
    """The tracking server. Every method may raise RunUnknown and RunsUnavailable."""

    def run(self, run_id: str) -> Run:
        """Fetch a run."""
        ...

    def files(self, run_id: str, folder: str) -> tuple[RunFile, ...]:
        """List all files below a folder of the run, in its sub-folders too."""
        ...

    def read(self, run_id: str, path: str) -> Iterator[bytes]:
        """Stream one file's bytes; `path` is relative to the run."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class Intake(Protocol):
    """An artifact on its way in: visible to nobody until it is committed."""

    def write(self, name: str, chunks: Iterable[bytes]) -> str:
        """Write one file and return its sha256 digest."""
        ...

    def content(self, name: str) -> AbstractContextManager[Content]:
        """Open what was written of one file, to look at it."""
        ...

    def commit(self, digest: str) -> None:
        """Give the artifact its name, durably; a whole one that is there already stays."""
        ...


class OpenFile(Protocol):
    """A kept file whose bytes were just checked."""

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        ...

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Stream bytes [start, stop) and close the file."""
        ...

    def close(self) -> None:
        """Close it without reading."""
        ...


class ArtifactStore(Protocol):
    """Artifacts by digest. Every method may raise StoreUnavailable."""

    def receive(self) -> AbstractContextManager[Intake]:
        """Open an intake; leaving it without a commit leaves nothing behind."""
        ...

    def manifest(self, digest: str) -> bytes | None:
        """Return a kept artifact's manifest; raises ArtifactDamaged."""
        ...

    def open(self, digest: str, name: str, content: str) -> OpenFile:
        """Open one file whose sha256 is `content`; raises ArtifactDamaged."""
        ...


@dataclass(frozen=True)
class Kept:
    """An artifact that lies in the store: its digest, its bytes, when it was committed (UTC)."""

    digest: str
    size: int
    written_at: float


class Shelf(Protocol):
    """The store as whoever clears it sees it. Both may raise StoreUnavailable."""

    def kept(self) -> Iterable[Kept]:
        """List everything that is kept, named by a version or not."""
        ...

    def remove(self, digest: str) -> None:
        """Take an artifact away; one that is gone is no error."""
        ...


class MarkKind(StrEnum):
    """RESERVED: somebody is about to record it. CONDEMNED: somebody is about to remove it."""

    RESERVED = "reserved"
    CONDEMNED = "condemned"


@dataclass(frozen=True)
class Mark:
    """One process's mark on a digest; `token` tells it from another's of the same kind."""

    kind: MarkKind
    digest: str
    token: str


class Marks(Protocol):
    """Marks on digests that every process with this store sees, as soon as `put` returns.

    Every method may raise StoreUnavailable.
    """

    def put(self, mark: Mark) -> None:
        """Make a mark."""
        ...

    def clear(self, mark: Mark) -> None:
        """Take one's own mark back."""
        ...

    def all(self, kind: MarkKind) -> Iterable[tuple[Mark, float]]:
        """List marks, and when each was made (UTC)."""
        ...


class Recorded(Protocol):
    """A version as the ledger has it; `new` unless its digest was registered before."""

    @property
    def version(self) -> Any: ...  # noqa: D102
    @property
    def seq(self) -> int: ...  # noqa: D102
    @property
    def new(self) -> bool: ...  # noqa: D102


class Versions(Protocol):
    """The ledger, where versions get their number."""

    def record(
        self,
        model: str,
        actor: str,
        digest: str,
        lineage: Mapping[str, str],
        metadata: Mapping[str, Any],
    ) -> Recorded:
        """Give the digest its number in the model, or find the one that it has."""
        ...

    def refuse(self, model: str, actor: str, run_id: str, reason: str) -> None:
        """Record that a run's artifact was refused."""
        ...

    def digests(self) -> Collection[str]:
        """Return the digests of all versions of all models and of what they were made from, as
        the ledger has them now.
        """
        ...
