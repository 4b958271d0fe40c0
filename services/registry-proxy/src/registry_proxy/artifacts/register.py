"""Admitting a run's artifact: every byte copied, looked into and kept before the ledger names it.

Nothing is trusted that the tracking server serves, since anyone with rights there may change it:
the files must be exactly those that the manifest names, with exactly those hashes.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from lifecycle.digests import NO_CONTENT
from registry_proxy.artifacts.commits import take_commit
from registry_proxy.artifacts.counted import Counted, refuse_size
from registry_proxy.artifacts.datasets import take_dataset
from registry_proxy.artifacts.formats import ContentRefused, refuse_content
from registry_proxy.artifacts.lineage import metadata_of, refuse_disagreement
from registry_proxy.artifacts.manifests import (
    MANIFEST_NAME,
    ArtifactRefused,
    Manifest,
    read_manifest,
)
from registry_proxy.artifacts.origins import SMALL_BYTES, Origin, RunFiles
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
from registry_proxy.artifacts.prompts import ReadYaml, take_prompt
from registry_proxy.artifacts.reserve import reserved
from registry_proxy.artifacts.training import lineage_of, training_of
from servicekit.signing import Verifier


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
            refuse_size(sum(file.size for file in listed), self.limit_bytes)
            with ExitStack() as intakes:
                intake = intakes.enter_context(self.store.receive())
                self._copy(asked, manifest, intake)
                intake.write(MANIFEST_NAME, [content])
                origins = tuple(self._origins(run.id, manifest.lineage, intakes))
                training = training_of(manifest, run, self.own)
                metadata = {**metadata_of(manifest, run), "training": training}
                return self._record(asked, metadata, _Taken(manifest, intake, origins))
        except ArtifactRefused as refused:
            self.versions.refuse(asked.model, asked.actor, asked.run_id, str(refused))
            raise

    def _copy(self, asked: Registration, manifest: Manifest, intake: Intake) -> None:
        """Take in every file that the manifest names, as it names it, and look into it."""
        left = self.limit_bytes
        for name, expected in manifest.files.items():
            path = f"{asked.artifact_path}/{name}"
            chunks = Counted(self.runs.read(asked.run_id, path), left)
            if intake.write(name, chunks) != expected:
                raise ArtifactRefused(f"{name} does not have the sha256 that the manifest names")
            left -= chunks.size
            try:
                with intake.content(name) as content:
                    refuse_content(name, content)
            except ContentRefused as refused:
                raise ArtifactRefused(str(refused)) from refused

    def _origins(
        self, run_id: str, stated: Mapping[str, str], intakes: ExitStack
    ) -> Iterator[Origin]:
        """Take in what the version was made from, held against its lineage."""
        kept = RunFiles(self.runs, run_id, self.limit_bytes)

        def intake() -> Intake:
            return intakes.enter_context(self.store.receive())

        yield take_dataset(kept, stated, intake())
        if stated["prompt_version"] != NO_CONTENT:
            yield take_prompt(kept, stated, self.read_yaml, intake())
        if commit := take_commit(kept, stated, intake()):
            yield commit

    def _record(
        self, asked: Registration, metadata: Mapping[str, Any], taken: "_Taken"
    ) -> Recorded:
        digest, origins = taken.manifest.digest, taken.origins
        told = {
            **metadata,
            **{origin.kind: origin.told for origin in origins},
            "made_from": {origin.kind: origin.digest for origin in origins},
            "artifact_path": asked.artifact_path,
        }
        lineage = dict(lineage_of(taken.manifest, metadata["training"]))
        with ExitStack() as marks:
            for origin in origins:
                marks.enter_context(reserved(self.marks, origin.digest))
                origin.intake.commit(origin.digest)
                lineage |= origin.lineage
            marks.enter_context(reserved(self.marks, digest))
            taken.intake.commit(digest)
            return self.versions.record(asked.model, asked.actor, digest, lineage, told)

    def _read_manifest(self, run: Run, folder: str, listed: tuple[RunFile, ...]) -> bytes:
        if MANIFEST_NAME not in {file.path for file in listed}:
            raise RunUnknown(
                f"run {run.id} has no artifact at {folder!r}: there is no {MANIFEST_NAME} in it"
            )
        chunks = self.runs.read(run.id, f"{folder}/{MANIFEST_NAME}")
        return b"".join(Counted(chunks, SMALL_BYTES))


@dataclass(frozen=True)
class _Taken:
    """What was taken in and looked into: the version's files, and what it was made from."""

    manifest: Manifest
    intake: Intake
    origins: tuple[Origin, ...]


def _refuse_other_files(manifest: Manifest, listed: tuple[RunFile, ...]) -> None:
    there = {file.path for file in listed} - {MANIFEST_NAME}
    for path in sorted(there - set(manifest.files)):
        raise ArtifactRefused(f"{path} is not named in the manifest; remove it or save it anew")
    for name in sorted(set(manifest.files) - there):
        raise ArtifactRefused(f"{name} is named in the manifest but the run does not have it")
