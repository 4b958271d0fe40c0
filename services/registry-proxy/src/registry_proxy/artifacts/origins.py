"""What a version was made from, taken out of its run: proven here, and kept beside the version.

A run's words are not enough: the rows and the prompt that it keeps are hashed again, held against
the lineage, and copied once, since MLflow may lose or change them. They stay as long as a version
names them. One set of rows is kept once, however many versions were made from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.digests import canonical_json, sha256_digest
from registry_proxy.artifacts.counted import Counted
from registry_proxy.artifacts.manifests import MANIFEST_NAME, ArtifactRefused
from registry_proxy.artifacts.ports import Intake, Runs, RunUnknown

FORMAT = "isogloss.origin/v1"
SMALL_BYTES = 1_048_576
"""Most bytes of what is read into memory: a lock, a prompt, a description, a manifest."""


@dataclass(frozen=True)
class RunFiles:
    """The files that one run keeps, each of at most `limit_bytes`."""

    runs: Runs
    run_id: str
    limit_bytes: int

    def small(self, name: str) -> bytes:
        """Return a file as a whole; raises ArtifactRefused where the run has none."""
        return b"".join(Counted(self.stream(name), SMALL_BYTES))

    def optional(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a file as a whole, None where the run has none."""
        try:
            return b"".join(Counted(self.runs.read(self.run_id, name), limit_bytes))
        except RunUnknown:
            return None

    def stream(self, name: str) -> Iterator[bytes]:
        """Stream a file; raises ArtifactRefused where the run has none."""
        try:
            yield from Counted(self.runs.read(self.run_id, name), self.limit_bytes)
        except RunUnknown as unknown:
            raise ArtifactRefused(
                f"run {self.run_id} keeps no {name}, so what its model was made from is not "
                "proven; train it with this release's training jobs"
            ) from unknown


@dataclass(frozen=True)
class Origin:
    """One thing that a version was made from (`dataset`, `prompt`, `commit`), taken in but not yet
    kept: what the version's metadata says of it, what its lineage names, and the digest that it
    will be kept under.
    """

    kind: str
    told: Mapping[str, Any]
    lineage: Mapping[str, str]
    digest: str
    intake: Intake


def seal_origin(
    intake: Intake,
    kind: str,
    files: Mapping[str, str],
    told: Mapping[str, Any],
    lineage: Mapping[str, str],
) -> Origin:
    """Write the manifest of what was taken in: `files` are its names with their digests."""
    content = canonical_json({"format": FORMAT, "kind": kind, "files": files})
    intake.write(MANIFEST_NAME, [content])
    return Origin(kind, told, lineage, sha256_digest(content), intake)
