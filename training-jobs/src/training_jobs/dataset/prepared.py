"""A data set as it lies prepared on disk: a Parquet file per set and `dataset.lock.json`.

The lock is written last and names the digest of every set; rows are read only when they still
have it. One version has one content: other rows under the same version are refused.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lifecycle.datasets import LOCK_NAME
from lifecycle.digests import canonical_json, sha256_digest
from training_jobs.dataset.rows import NO_LABEL, Rows
from training_jobs.refusals import JobRefused

TRAIN, TEST = "train", "test"
FORM = "isogloss.dataset/v2"
"""How sets are hashed. What an older release prepared is prepared again."""


@dataclass(frozen=True)
class Lock:
    """What a prepared data set is. `counts` says where rows went; `sets` are digests of rows,
    `sources` of bytes, `dataset_digest` of all sets together.
    """

    form: str
    name: str
    version: str
    task: str
    language: str
    license: str
    labels: tuple[str, ...]
    spec_digest: str
    dataset_digest: str
    test_set_digest: str
    sets: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, str]
    counts: Mapping[str, int]
    slices: Mapping[str, int]


def dataset_digest(sets: Mapping[str, Rows]) -> str:
    """Return the digest of a whole data set: of its sets' names and digests."""
    return sha256_digest(canonical_json({name: rows.digest for name, rows in sets.items()}))


def directory_of(data: Path, name: str, version: str) -> Path:
    """Return where a version of a data set lies under the data directory."""
    return data / f"{name}-{version}"


def read_lock(directory: Path) -> Lock | None:
    """Return the lock of a prepared directory; None when nothing (of this form) is there."""
    path = directory / LOCK_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("form") != FORM:
            return None
        return Lock(**{**document, "labels": tuple(document["labels"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobRefused(
            f"{path} is not a lock of this version of the jobs ({error}); "
            "remove its directory and run check-data again"
        ) from error


def find_by_test_set(data: Path, digest: str) -> tuple[Path, Lock]:
    """Return the prepared data set whose test set has `digest`; JobRefused when none has."""
    for path in sorted(data.glob(f"*/{LOCK_NAME}")):
        lock = read_lock(path.parent)
        if lock is not None and lock.test_set_digest == digest:
            return path.parent, lock
    raise JobRefused(
        f"no data set under {data} has the test set {digest}; "
        "run check-data with the project that the version was trained from"
    )


def write_prepared(directory: Path, lock: Lock, sets: Mapping[str, Rows]) -> None:
    """Write every set, then the lock; JobRefused when the version has other content already."""
    held = read_lock(directory)
    if held is not None and held.dataset_digest != lock.dataset_digest:
        raise JobRefused(
            f"{lock.name} {lock.version} is locked in {directory} with dataset digest "
            f"{held.dataset_digest}, but its rows now have {lock.dataset_digest}; "
            "raise the version in dataset.yaml"
        )
    directory.mkdir(parents=True, exist_ok=True)
    for name, rows in sets.items():
        _replace(directory / f"{name}.parquet", _to_frame(rows, lock.labels).to_parquet(None))
    text = json.dumps(asdict(lock), indent=1, sort_keys=True) + "\n"
    _replace(directory / LOCK_NAME, text.encode())


def read_set(directory: Path, lock: Lock, name: str) -> Rows:
    """Return one set's rows; JobRefused unless they have the digest the lock names."""
    path = directory / f"{name}.parquet"
    try:
        rows = _from_frame(pd.read_parquet(path), lock.labels)
    except (OSError, ValueError, KeyError) as error:
        raise JobRefused(f"{path} cannot be read ({error}); run check-data again") from error
    if rows.digest != lock.sets[name]["digest"]:
        raise JobRefused(
            f"{path} has digest {rows.digest}, but its lock names {lock.sets[name]['digest']}; "
            "it was changed: remove its directory and run check-data again"
        )
    return rows


def _to_frame(rows: Rows, labels: tuple[str, ...]) -> pd.DataFrame:
    named = [labels[label] if label != NO_LABEL else None for label in rows.labels]
    return pd.DataFrame(
        {"row_id": rows.ids, "text": rows.texts, "label": named, "source": rows.sources}
    )


def _from_frame(frame: pd.DataFrame, labels: tuple[str, ...]) -> Rows:
    index = {name: position for position, name in enumerate(labels)}
    positions = (index.get(name, NO_LABEL) for name in frame["label"])
    return Rows(tuple(frame["text"]), tuple(positions), tuple(frame["source"]))


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
