"""Admitting a run's artifact: every byte copied, looked into and kept before the ledger names it.

Nothing is trusted that the tracking server serves, since anyone with rights there may change it:
the files must be exactly those that the manifest names, with exactly those hashes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.prompts import FILE_NAME as PROMPT_NAME
from registry_proxy.artifacts.datasets import LOCK_NAME, read_lock, refuse_other_data
from registry_proxy.artifacts.formats import ContentRefused, refuse_content
from registry_proxy.artifacts.lineage import metadata_of, refuse_disagreement
from registry_proxy.artifacts.manifests import (
    MANIFEST_NAME,
    ArtifactRefused,
    Manifest,
    read_manifest,
)
from registry_proxy.artifacts.ports import (
    ArtifactStore,
    Intake,
    Marks,
    Recorded,
    Run,
    RunFile,
    Runs,
    RunUnknown,
    Versions,
)
from registry_proxy.artifacts.prompts import ReadYaml, read_kept_prompt, refuse_other_prompt
from registry_proxy.artifacts.reserve import reserved
from registry_proxy.artifacts.training import lineage_of, training_of
from servicekit.signing import Verifier

_MANIFEST_LIMIT_BYTES = 1_048_576
"""A manifest names at most 64 files; one of this size is something else."""


@dataclass(frozen=True)
class Registration:
    """Who registers which artifact of which run as a version of which model."""

    model: str
    actor: str
    run_id: str
    artifact_path: str


@dataclass(frozen=True)
class Admission:
    """The ports of a registration, the most bytes that one artifact may have, and this service's
    own key, by which it knows what it stated of a run.
    """

    runs: Runs
    store: ArtifactStore
    marks: Marks
    versions: Versions
    limit_bytes: int
    read_yaml: ReadYaml
    own: Verifier

    def register(self, asked: Registration) -> Recorded:
        """Admit and record. Raises ArtifactRefused (recorded), RunUnknown, RunsUnavailable,
        StoreUnavailable, BeingCollected.
        """
        try:
            run = self.runs.run(asked.run_id)
            listed = self.runs.files(run.id, asked.artifact_path)
            content = self._read_manifest(run, asked.artifact_path, listed)
            manifest = read_manifest(content)
            refuse_disagreement(manifest, run)
            _refuse_other_files(manifest, listed)
            _refuse_size(sum(file.size for file in listed), self.limit_bytes)
            proven = {**self._dataset_of(run, manifest), **self._prompt_of(run, manifest)}
            with self.store.receive() as intake:
                self._copy(asked, manifest, intake)
                intake.write(MANIFEST_NAME, [content])
                training = training_of(manifest, run, self.own)
                metadata = {**metadata_of(manifest, run), **proven, "training": training}
                return self._record(asked, metadata, manifest, intake)
        except ArtifactRefused as refused:
            self.versions.refuse(asked.model, asked.actor, asked.run_id, str(refused))
            raise

    def _copy(self, asked: Registration, manifest: Manifest, intake: Intake) -> None:
        """Take in every file that the manifest names, as it names it, and look into it."""
        left = self.limit_bytes
        for name, expected in manifest.files.items():
            path = f"{asked.artifact_path}/{name}"
            chunks = _Counted(self.runs.read(asked.run_id, path), left)
            if intake.write(name, chunks) != expected:
                raise ArtifactRefused(f"{name} does not have the sha256 that the manifest names")
            left -= chunks.size
            try:
                with intake.content(name) as content:
                    refuse_content(name, content)
            except ContentRefused as refused:
                raise ArtifactRefused(str(refused)) from refused

    def _dataset_of(self, run: Run, manifest: Manifest) -> Mapping[str, Any]:
        """Return what the run's own lock says of its data, held against the lineage."""
        content = self._kept(run, LOCK_NAME)
        if content is None:
            return {}
        lock = read_lock(content)
        refuse_other_data(manifest.lineage, lock)
        return {"dataset": lock.to_dict()}

    def _prompt_of(self, run: Run, manifest: Manifest) -> Mapping[str, Any]:
        """Return which prompt the run's own file is, held against the lineage."""
        content = self._kept(run, PROMPT_NAME)
        if content is None:
            return {}
        prompt = read_kept_prompt(content, manifest.lineage["prompt_version"], self.read_yaml)
        refuse_other_prompt(manifest.lineage, prompt)
        known = {"name": prompt.name, "version": prompt.version, "digest": prompt.digest}
        return {"prompt": known}

    def _kept(self, run: Run, name: str) -> bytes | None:
        """Return a small file that the run keeps beside its model, None where it has none."""
        try:
            return b"".join(_Counted(self.runs.read(run.id, name), _MANIFEST_LIMIT_BYTES))
        except RunUnknown:
            return None

    def _record(
        self, asked: Registration, metadata: Mapping[str, Any], manifest: Manifest, intake: Intake
    ) -> Recorded:
        told = {**metadata, "artifact_path": asked.artifact_path}
        with reserved(self.marks, manifest.digest):
            intake.commit(manifest.digest)
            lineage = lineage_of(manifest, metadata["training"])
            return self.versions.record(asked.model, asked.actor, manifest.digest, lineage, told)

    def _read_manifest(self, run: Run, folder: str, listed: tuple[RunFile, ...]) -> bytes:
        if MANIFEST_NAME not in {file.path for file in listed}:
            raise RunUnknown(
                f"run {run.id} has no artifact at {folder!r}: there is no {MANIFEST_NAME} in it"
            )
        chunks = self.runs.read(run.id, f"{folder}/{MANIFEST_NAME}")
        return b"".join(_Counted(chunks, _MANIFEST_LIMIT_BYTES))


class _Counted:
    """Passes chunks on and refuses once they are more than was allowed."""

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        self.size = 0
        self._chunks = chunks
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            _refuse_size(self.size, self._limit)
            yield chunk


def _refuse_size(size: int, limit: int) -> None:
    if size > limit:
        raise ArtifactRefused(f"the artifact has {size:,} bytes or more; {limit:,} are allowed")


def _refuse_other_files(manifest: Manifest, listed: tuple[RunFile, ...]) -> None:
    there = {file.path for file in listed} - {MANIFEST_NAME}
    for path in sorted(there - set(manifest.files)):
        raise ArtifactRefused(f"{path} is not named in the manifest; remove it or save it anew")
    for name in sorted(set(manifest.files) - there):
        raise ArtifactRefused(f"{name} is named in the manifest but the run does not have it")
