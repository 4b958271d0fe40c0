"""Holding a manifest against its run: is it of this run, is that finished, does it say the same.

The data set and the prompt are not asked of the run's words: its files are (`origins.py`).
"""

from math import isfinite
from typing import Any

from lifecycle.training import TAG
from registry_proxy.artifacts.manifests import ArtifactRefused, Manifest
from registry_proxy.artifacts.ports import Run

_COMMIT = "commit"
_DESCRIBING = ("language", "license", "owner")
_ELSEWHERE = ("mlflow.", TAG)
"""Tags of the tracking server itself, and statements that are told of in a place of their own."""


def refuse_disagreement(manifest: Manifest, run: Run) -> None:
    """Raise ArtifactRefused unless the run is finished and says what the lineage says."""
    if run.status != "FINISHED":
        raise ArtifactRefused(f"run {run.id} is {run.status}; only a FINISHED run is registered")
    if manifest.lineage["run_id"] != run.id:
        stated = manifest.lineage["run_id"]
        raise ArtifactRefused(f"the artifact is of run {stated}, not of run {run.id}")
    known, stated = _said(run, _COMMIT), manifest.lineage[_COMMIT]
    if known is None:
        raise ArtifactRefused(f"run {run.id} has no tag commit; log it in the training job")
    if known != stated:
        raise ArtifactRefused(f"manifest.lineage.commit is {stated}, but run {run.id} says {known}")


def metadata_of(manifest: Manifest, run: Run) -> dict[str, Any]:
    """Collect what people ask of a version; absent where the run does not say it.

    Finite metrics only: a NaN is no measurement. The tracking server's own tags stay there.
    """
    described = {key: said for key in _DESCRIBING if (said := _said(run, key)) is not None}
    return {
        "family": manifest.family,
        "task": manifest.task,
        "labels": manifest.labels,
        "metrics": {name: value for name, value in run.metrics.items() if isfinite(value)},
        "tags": {key: value for key, value in run.tags.items() if not key.startswith(_ELSEWHERE)},
        **described,
    }


def _said(run: Run, key: str) -> str | None:
    return run.tags.get(key, run.params.get(key))
