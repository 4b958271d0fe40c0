"""What this service needs from outside: an artifact, a place for events, a clock."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ArtifactUnavailable(Exception):
    """The artifact cannot be had now; the same attempt may succeed later."""


class ArtifactRefused(Exception):
    """The artifact is not what its digest names, or may not be loaded: no attempt will succeed."""


class ArtifactSource(Protocol):
    """Where the artifact comes from."""

    @property
    def digest(self) -> str:
        """The digest of the ModelVersion, known before it is fetched."""
        ...

    def fetch(self) -> Path:
        """Return a directory with the artifact, blocking until it is there.

        Raises ArtifactUnavailable or ArtifactRefused. Whoever loads it verifies it.
        """
        ...


class EventsUnavailable(Exception):
    """The drift-monitor did not take a batch now; the same batch may be sent again."""


class EventsRefused(Exception):
    """The drift-monitor will never take this batch."""


class EventSink(Protocol):
    """Where batches of prediction events go."""

    async def send(self, batch: bytes) -> None:
        """Deliver one batch (msgpack); raises EventsUnavailable or EventsRefused."""
        ...


@dataclass(frozen=True)
class Clock:
    """The two times a prediction needs."""

    wall: Callable[[], float]
    """Seconds since the epoch: when something happened."""
    steady: Callable[[], float]
    """Seconds since some moment, never going back: how long something took."""
