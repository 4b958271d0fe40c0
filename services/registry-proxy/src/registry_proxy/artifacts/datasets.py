"""The data set that a run learnt from: which rows there were, and that the lineage means them.

The run keeps the lock, `dataset.yaml` and a row file for each set. All of them are hashed again
here: the rows must be those of their sets, the sets those of the data set, and the data set that
of the lineage. A row is an id, a label and a source; texts do not come here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.datasets import LOCK_NAME, ROWS_FOLDER, SPEC_NAME, is_row, is_set_name, rows_name
from lifecycle.digests import canonical_json, is_digest, sha256_digest
from registry_proxy.artifacts.manifests import ArtifactRefused
from registry_proxy.artifacts.origins import Origin, RunFiles, seal_origin
from registry_proxy.artifacts.ports import Intake

_TEST = "test"
_MOST_SETS = 60
_LONGEST_LINE = 8192


@dataclass(frozen=True)
class DatasetLock:
    """One version of a data set: its sets (digest and rows of each), the files they are from, and
    the digest of its description.
    """

    name: str
    version: str
    digest: str
    spec_digest: str
    sets: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, str]

    def lineage(self) -> dict[str, str]:
        """Return what a version's lineage names of it."""
        said = {
            "dataset": self.name,
            "dataset_version": self.version,
            "dataset_digest": self.digest,
        }
        tests = self.sets.get(_TEST)
        return {**said, "test_set_digest": tests["digest"]} if tests else said


def take_dataset(kept: RunFiles, stated: Mapping[str, str], intake: Intake) -> Origin:
    """Take a run's data set in; raises ArtifactRefused unless it is the one that the lineage
    (`stated`) names, to the last row.
    """
    lock = read_lock(kept.small(LOCK_NAME))
    _refuse_other_data(stated, lock)
    files = {SPEC_NAME: intake.write(SPEC_NAME, [kept.small(SPEC_NAME)])}
    if files[SPEC_NAME] != lock.spec_digest:
        raise ArtifactRefused(f"{LOCK_NAME} of the run was not made from its {SPEC_NAME}")
    for name in lock.sets:
        files[rows_name(name)] = _take_rows(kept, name, lock, intake)
    return seal_origin(intake, "dataset", files, asdict(lock), lock.lineage())


def read_lock(content: bytes) -> DatasetLock:
    """Read a lock whose digest is that of its sets; raises ArtifactRefused."""
    try:
        document = json.loads(content)
        sets = {
            str(name): {"digest": each["digest"], "rows": int(each["rows"])}
            for name, each in document["sets"].items()
        }
        lock = DatasetLock(
            name=str(document["name"]),
            version=str(document["version"]),
            digest=str(document["dataset_digest"]),
            spec_digest=str(document["spec_digest"]),
            sets=sets,
            sources={str(name): str(digest) for name, digest in document["sources"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactRefused(f"{LOCK_NAME} of the run cannot be read: {error!r}") from error
    _refuse_sets(lock)
    return lock


def _take_rows(kept: RunFiles, name: str, lock: DatasetLock, intake: Intake) -> str:
    """Take one set's row file in and return its digest, which must be the lock's."""
    file, said = rows_name(name), lock.sets[name]
    rows = _Rows(kept.stream(f"{ROWS_FOLDER}/{file}"), file)
    digest = intake.write(file, rows)
    if (digest, rows.count) != (said["digest"], said["rows"]):
        raise ArtifactRefused(
            f"{file} of the run holds {rows.count:,} rows with {digest}, but {LOCK_NAME} says "
            f"{said['rows']:,} with {said['digest']}"
        )
    return digest


def _refuse_sets(lock: DatasetLock) -> None:
    digests = {name: each["digest"] for name, each in lock.sets.items()}
    if not 0 < len(digests) <= _MOST_SETS or not all(map(is_set_name, digests)):
        raise ArtifactRefused(f"{LOCK_NAME} of the run names no sets, too many, or one oddly")
    if not all(isinstance(digest, str) and is_digest(digest) for digest in digests.values()):
        raise ArtifactRefused(f"{LOCK_NAME} of the run names sets without a sha256 digest")
    computed = sha256_digest(canonical_json(digests))
    if computed != lock.digest:
        raise ArtifactRefused(
            f"{LOCK_NAME} of the run says dataset digest {lock.digest}, "
            f"but its sets have {computed}"
        )


def _refuse_other_data(stated: Mapping[str, str], lock: DatasetLock) -> None:
    locked = lock.lineage()
    for key in (*locked, "test_set_digest"):
        if key in stated and stated[key] != locked.get(key):
            raise ArtifactRefused(
                f"manifest.lineage.{key} is {stated[key]}, "
                f"but {LOCK_NAME} of the run says {locked.get(key)}"
            )


class _Rows:
    """Passes a row file on, line by line, and refuses what is no row; `count` is how many."""

    def __init__(self, chunks: Iterable[bytes], file: str) -> None:
        self.count = 0
        self._chunks = chunks
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        left = b""
        for chunk in self._chunks:
            *lines, left = (left + chunk).split(b"\n")
            for line in lines:
                self._count(line)
            if len(left) > _LONGEST_LINE:
                raise self._refused()
            yield chunk
        if left:
            raise self._refused()

    def _count(self, line: bytes) -> None:
        if not is_row(line):
            raise self._refused()
        self.count += 1

    def _refused(self) -> ArtifactRefused:
        return ArtifactRefused(
            f"line {self.count + 1:,} of {self._file} of the run is no row, which is "
            "[row id, label, source] and the line's end, without a text"
        )
