"""References in memory, fetched when a version's first events arrive.

While the registry cannot be reached, a version's events are counted but not compared: drift needs
a Reference, pairing does not, and must not wait for one.
"""

import logging
import threading
from collections.abc import Callable

from drift_monitor.ports import ReferenceRefused, References, RegistryUnavailable
from drift_monitor.references import Reference, read_reference

# A version is asked for again after this; a version without a Reference will not get one soon.
_RETRY_SECONDS = {RegistryUnavailable: 15.0, ReferenceRefused: 600.0}
# A Rollout has two versions; a few models, a few rollbacks. About 3 MB each.
_MOST_VERSIONS = 16

_log = logging.getLogger(__name__)


class Shelf:
    """The References of the versions that are sending events; safe between threads."""

    def __init__(self, source: References, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._known: dict[str, Reference] = {}
        self._retry_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def find(self, digest: str, labels: tuple[str, ...]) -> Reference | None:
        """Return a version's Reference, or None while there is none to be had."""
        with self._lock:
            if digest in self._known:
                return self._known[digest]
            if self._clock() < self._retry_at.get(digest, 0.0):
                return None
            return self._fetch(digest, labels)

    def _fetch(self, digest: str, labels: tuple[str, ...]) -> Reference | None:
        try:
            reference = read_reference(self._source.fetch(digest), labels)
        except (RegistryUnavailable, ReferenceRefused) as error:
            self._retry_at[digest] = self._clock() + _RETRY_SECONDS[type(error)]
            _log.warning("no drift for %s until it has a Reference: %s", digest, error)
            return None
        if len(self._known) >= _MOST_VERSIONS:
            del self._known[next(iter(self._known))]
        self._known[digest] = reference
        return reference
