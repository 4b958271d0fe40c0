"""Holding a manifest against its run: what it says it was made from, and what is known of it.

A manifest is written by a training job, so its lineage counts only where the tracking server
says the same.
"""

from math import isfinite
from typing import Any

from lifecycle.training import TAG
from registry_proxy.artifacts.manifests import ArtifactRefused, Manifest
from registry_proxy.artifacts.ports import Run

_AGREEING = ("dataset_version", "prompt_version", "commit")
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
    for key in _AGREEING:
        known = _said(run, key)
        if known is None:
            raise ArtifactRefused(f"run {run.id} has no tag {key}; log it in the training job")
        if known != manifest.lineage[key]:
            raise ArtifactRefused(
                f"manifest.lineage.{key} is {manifest.lineage[key]}, but run {run.id} says {known}"
            )


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
