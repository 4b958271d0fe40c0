"""What quiet traffic does, per version and part of a Reference: simulated once, then kept."""

from typing import Protocol

from drift_monitor.ports import Store
from drift_monitor.quiet import Effort, KeepGoing, Material, Quiet, simulate_quiet

# A version has four parts, and four more of accepted traffic; each takes a megabyte or two.
_MOST_IN_MEMORY = 128


class Compared(Protocol):
    """What Windows are compared with, whose rows are resampled."""

    def part(self, slice_name: str) -> str:
        """Name the part of it that a Slice is compared with."""

    def null_name(self, part: str) -> str:
        """Name what is kept of a part's null."""

    def material(self, part: str) -> Material:
        """Return what the null of a part is resampled from."""


class Standards:
    """Finds them in memory, in the tables beside the version's Reference, or by simulating."""

    def __init__(self, store: Store, effort: Effort) -> None:
        self._store = store
        self._effort = effort
        self._known: dict[tuple[str, str], Quiet] = {}

    def find(
        self, version: str, compared: Compared, slice_name: str, keep_going: KeepGoing
    ) -> Quiet | None:
        """Return what a Slice's quiet Windows look like; None when told to stop before."""
        part = compared.null_name(compared.part(slice_name))
        known = self._known.get((version, part)) or self._load(version, part)
        if known is None:
            material = compared.material(compared.part(slice_name))
            known = self._simulate(version, part, material, keep_going)
        if known is not None:
            if len(self._known) >= _MOST_IN_MEMORY:
                del self._known[next(iter(self._known))]
            self._known[version, part] = known
        return known

    def _load(self, version: str, part: str) -> Quiet | None:
        with self._store.read() as transaction:
            content = transaction.nulls.load(version, part)
        return Quiet.from_bytes(content) if content else None

    def _simulate(
        self, version: str, part: str, material: Material, keep_going: KeepGoing
    ) -> Quiet | None:
        quiet = simulate_quiet(material, len(material.vectors), self._effort, keep_going)
        if quiet is not None:
            with self._store.begin() as transaction:
                transaction.nulls.save(version, part, quiet.to_bytes())
        return quiet
