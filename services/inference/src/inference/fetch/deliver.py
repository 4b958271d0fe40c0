"""Puts an artifact into a directory that exists already, such as a pod's volume.

The manifest comes last: without one nobody takes the directory for an artifact. So a delivery
that was killed, at whatever moment, is simply begun again.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inference.ports import ArtifactSource, ArtifactUnavailable
from textmodels.artifacts import MANIFEST_NAME, ArtifactError, read_manifest, verify_files

_log = logging.getLogger(__name__)
_LONGEST_PAUSE_SECONDS = 15.0


@dataclass(frozen=True)
class Patience:
    """How long an artifact that is unavailable is asked for again."""

    seconds: float
    clock: Callable[[], float]
    """Seconds since some moment, never going back."""
    pause: Callable[[float], None]


def deliver_when_available(
    source: ArtifactSource, staging: Path, destination: Path, patience: Patience
) -> None:
    """Deliver, trying again while the artifact is unavailable and there is patience left.

    Raises ArtifactRefused, or the last ArtifactUnavailable.
    """
    end = patience.clock() + patience.seconds
    pause = 0.5
    while True:
        try:
            return deliver(source, staging, destination)
        except ArtifactUnavailable as unavailable:
            left = end - patience.clock()
            if left <= 0:
                raise
            _log.warning("artifact unavailable, asked for another %.0f s: %s", left, unavailable)
            patience.pause(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def deliver(source: ArtifactSource, staging: Path, destination: Path) -> None:
    """Leave the artifact's files, and nothing of ours beside them, in `destination`.

    `source` keeps what it fetches in `staging`, on the destination's file system. Raises
    ArtifactUnavailable, also where the destination cannot be written, or ArtifactRefused.
    """
    try:
        if not _holds(destination, source.digest, staging):
            _log.info("fetching %s", source.digest)
            _move(source.fetch(), destination)
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise ArtifactUnavailable(f"{destination} cannot be written: {error}") from error
    _log.info("%s is in %s", source.digest, destination)


def _holds(destination: Path, digest: str, staging: Path) -> bool:
    try:
        manifest = read_manifest(destination)
        if manifest.digest != digest:
            return False
        shutil.rmtree(staging, ignore_errors=True)  # a delivery was killed just before its end
        verify_files(destination, manifest)
    except ArtifactError:
        return False
    return True


def _move(directory: Path, destination: Path) -> None:
    (destination / MANIFEST_NAME).unlink(missing_ok=True)  # it would be of another artifact
    for file in sorted(directory.iterdir(), key=lambda file: file.name == MANIFEST_NAME):
        _log.info("%s: %d bytes", file.name, file.stat().st_size)
        file.replace(destination / file.name)
