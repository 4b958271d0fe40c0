"""What quiet traffic does, per version and part of its Reference: simulated once, then kept."""

from drift_monitor.ports import Store
from drift_monitor.quiet import Effort, KeepGoing, Material, Quiet, simulate_quiet
from drift_monitor.references import Reference

# A version has four parts; a fitted one takes a megabyte or two.
_MOST_IN_MEMORY = 128


class Standards:
    """Finds them in memory, in the tables beside the version's Reference, or by simulating."""

    def __init__(self, store: Store, effort: Effort) -> None:
        self._store = store
        self._effort = effort
        self._known: dict[tuple[str, str], Quiet] = {}

    def find(
        self, version: str, reference: Reference, slice_name: str, keep_going: KeepGoing
    ) -> Quiet | None:
        """Return what a Slice's Windows are compared with; None when told to stop before."""
        part = reference.part(slice_name)
        known = self._known.get((version, part)) or self._load(version, part)
        if known is None:
            known = self._simulate(version, reference, part, keep_going)
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
        self, version: str, reference: Reference, part: str, keep_going: KeepGoing
    ) -> Quiet | None:
        material = Material(reference.sketcher, reference.vectors(part))
        quiet = simulate_quiet(material, len(material.vectors), self._effort, keep_going)
        if quiet is not None:
            with self._store.begin() as transaction:
                transaction.nulls.save(version, part, quiet.to_bytes())
        return quiet
