"""Makes the ModelVersion ready: fetch, verify, load, and score one text before anyone else may.

A registry that cannot be reached is waited for; an artifact that is not what its digest names
ends the process, since no restart of the same would help.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from inference.ports import ArtifactRefused, ArtifactSource, ArtifactUnavailable
from textmodels.artifacts import ArtifactError, Manifest, load_artifact
from textmodels.families import EngineMissing
from textmodels.predictions import Predictor

_log = logging.getLogger(__name__)
_LONGEST_PAUSE_SECONDS = 15.0
# The image's tag, and the package's extra, that has an engine.
_EXTRAS = {"onnxruntime": "encoder", "scikit-learn": "sklearn"}
_PROBE = "This is one text, scored before any other."

_T = TypeVar("_T")
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class LoadedVersion:
    """A ModelVersion in memory, verified and tried."""

    manifest: Manifest
    predictor: Predictor

    @cached_property
    def digest(self) -> str:
        """The manifest's digest, which is dear to compute and on every answer."""
        return self.manifest.digest


async def load_when_available(
    source: ArtifactSource,
    report: Callable[[str], None],
    pause: Pause = asyncio.sleep,
) -> LoadedVersion:
    """Return the loaded version, trying again while the artifact is unavailable.

    `report` is told, after each failed attempt, why. Raises ArtifactRefused.
    """
    return await when_available(lambda: load_version(source), report, pause)


async def when_available(
    load: Callable[[], _T], report: Callable[[str], None], pause: Pause = asyncio.sleep
) -> _T:
    """Return what `load` returns on a thread, trying again while it raises ArtifactUnavailable."""
    seconds = 0.5
    while True:
        try:
            return await asyncio.wrap_future(_start(load))
        except ArtifactUnavailable as unavailable:
            _log.warning("artifact unavailable: %s", unavailable)
            report(str(unavailable))
            await pause(seconds)
            seconds = min(2 * seconds, _LONGEST_PAUSE_SECONDS)


def load_version(source: ArtifactSource) -> LoadedVersion:
    """Fetch, verify, load and try the version; raises ArtifactUnavailable or ArtifactRefused."""
    directory = source.fetch()
    try:
        manifest, predictor = load_artifact(directory, source.digest)
    except ArtifactError as error:
        raise ArtifactRefused(f"{source.digest} cannot be loaded: {error}") from error
    except EngineMissing as missing:
        raise ArtifactRefused(
            f"{source.digest} needs {missing.engine} to be scored, which is not installed here: "
            f"serve it with the image whose tag ends in -{_EXTRAS[missing.engine]}, or install "
            f"isogloss-inference[{_EXTRAS[missing.engine]}]"
        ) from missing
    scores = predictor.predict([_PROBE]).scores
    if scores.shape != (1, len(manifest.labels)) or not np.isfinite(scores).all():
        raise ArtifactRefused(
            f"{source.digest} answers a probe text with {scores.tolist()}: "
            f"one finite score for each of {len(manifest.labels)} labels is needed"
        )
    return LoadedVersion(manifest, predictor)


def _start(load: Callable[[], _T]) -> "Future[_T]":
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(load())
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            future.set_exception(error)

    # A daemon: a download under way must not keep the process from ending.
    threading.Thread(target=run, name="loader", daemon=True).start()
    return future
