"""The lock of a run's data set: which rows there were, by digest, and that the lineage means them.

The training job logs the lock beside the model. Its digests are computed again here from the
sets that it names, so a lineage cannot name one data set and a lock list another's rows. A run
without a lock leaves its lineage unproven, and the version shows that.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.digests import canonical_json, is_digest, sha256_digest
from registry_proxy.artifacts.manifests import ArtifactRefused

LOCK_NAME = "dataset.lock.json"
_TEST = "test"
_MOST_SETS = 100


@dataclass(frozen=True)
class DatasetLock:
    """One version of a data set: its sets (digest and rows of each) and the files they are from."""

    name: str
    version: str
    digest: str
    sets: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return what stands in a version's metadata."""
        return asdict(self)


def read_lock(content: bytes) -> DatasetLock:
    """Read a lock whose digest is that of its sets; raises ArtifactRefused."""
    try:
        document = json.loads(content)
        sets = {
            str(name): {"digest": each["digest"], "rows": int(each["rows"])}
            for name, each in document["sets"].items()
        }
        sources = {str(name): str(digest) for name, digest in document["sources"].items()}
        lock = DatasetLock(
            str(document["name"]),
            str(document["version"]),
            str(document["dataset_digest"]),
            sets,
            sources,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactRefused(f"{LOCK_NAME} of the run cannot be read: {error!r}") from error
    _refuse_digests(lock)
    return lock


def refuse_other_data(lineage: Mapping[str, str], lock: DatasetLock) -> None:
    """Raise ArtifactRefused unless the lineage names what is locked."""
    locked = {
        "dataset": lock.name,
        "dataset_version": lock.version,
        "dataset_digest": lock.digest,
        "test_set_digest": lock.sets.get(_TEST, {}).get("digest"),
    }
    for key, value in locked.items():
        if key in lineage and lineage[key] != value:
            raise ArtifactRefused(
                f"manifest.lineage.{key} is {lineage[key]}, but {LOCK_NAME} of the run says {value}"
            )


def _refuse_digests(lock: DatasetLock) -> None:
    digests = {name: each["digest"] for name, each in lock.sets.items()}
    if len(digests) > _MOST_SETS or not all(
        isinstance(digest, str) and is_digest(digest) for digest in digests.values()
    ):
        raise ArtifactRefused(f"{LOCK_NAME} of the run names sets without a sha256 digest")
    computed = sha256_digest(canonical_json(digests))
    if computed != lock.digest:
        raise ArtifactRefused(
            f"{LOCK_NAME} of the run says dataset digest {lock.digest}, "
            f"but its sets have {computed}"
        )
