"""Production traffic that was accepted, as a second Reference of a version.

The version's own Reference shows whether traffic is what it was trained for; this one, whether
traffic is still what it was. Both are sketched by the version's own Sketcher, so that a Window's
sums serve for both. Rows of one block resemble each other and are resampled together.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_monitor.detectors import Sample
from drift_monitor.parts import Parts, parts_of
from drift_monitor.ports import ReferenceRefused, Store
from drift_monitor.quiet import Material
from drift_monitor.references import MEASURED, Reference, read_columns, rows_of_columns
from drift_monitor.sketches import Rows, Sketcher
from drift_monitor.traffic_ports import AcceptedFile
from drift_monitor.traffic_samples import MOST_ROWS, About

# Ten Windows' worth of 500; of less, Windows mostly measure the Reference's own error.
FEWEST_ROWS = 5000
_COLUMNS = MEASURED | {"block": 1}
# A Window of 200 rows must be many blocks, or resampled ones would be the same few: of a burst each
# so many rows are a block of their own.
_MOST_OF_A_BLOCK = 20
# Versions that serve or did lately; each takes 3 MB.
_MOST_IN_MEMORY = 16


@dataclass(frozen=True)
class Accepted:
    """Accepted traffic of one version; `sha256` is that of the file that it was read from."""

    sha256: str
    about: About
    sketcher: Sketcher
    rows: Rows
    blocks: NDArray[np.int64]
    parts: Parts
    means: Mapping[str, Sample]

    def part(self, slice_name: str) -> str:
        """Name the part that a Slice is compared with."""
        return self.parts.name(slice_name)

    def sample(self, slice_name: str) -> Sample | None:
        """Return what a Slice is compared with; None where it has fewer rows than the version's
        own Reference, of whose rows a Window has a tenth.
        """
        return self.means.get(self.part(slice_name))

    def material(self, part: str) -> Material:
        """Return what the null of a part is resampled from, in blocks."""
        chosen = self.parts.rows[part]
        vectors = self.sketcher.vectors(self.rows.take(chosen))
        return Material(self.sketcher, vectors, _pieces(self.blocks[chosen]))

    def null_name(self, part: str) -> str:
        """Name what is kept of a part's null: another file has another."""
        return f"{self.sha256[:19]} {part}"


class AcceptedReferences:
    """Finds what traffic of a version was accepted, in memory or in the tables."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Accepted] = {}

    def find(self, version: str, own: Reference) -> Accepted | None:
        """Return the accepted traffic of a version; None where none was."""
        with self._store.read() as transaction:
            sha256 = transaction.accepted.sha256_of(version)
            known = self._known.get(version)
            if known is not None and known.sha256 == sha256:
                return known
            file = transaction.accepted.file_of(version) if sha256 else None
        return self._read(file, own) if file else None

    def _read(self, file: AcceptedFile, own: Reference) -> Accepted:
        if len(self._known) >= _MOST_IN_MEMORY:
            del self._known[next(iter(self._known))]
        self._known[file.version] = found = read_accepted(file, own)
        return found


def read_accepted(file: AcceptedFile, own: Reference) -> Accepted:
    """Read a Reference of accepted traffic of the version whose own Reference is `own`.

    Raises ReferenceRefused where it is not one, is another version's, or has too few rows.
    """
    about, labels = read_about(file.content), own.sketcher.labels
    if (about.version, about.labels) != (file.version, labels):
        raise ReferenceRefused(f"the file is of {about.version}, with the labels {about.labels}")
    columns = read_columns(file.content, len(labels), _COLUMNS)
    index = columns["language_index"].astype(np.int64)
    if (index < 0).any() or (index >= len(about.languages)).any():
        raise ReferenceRefused("the file's language_index counts languages that it does not name")
    rows = rows_of_columns(columns, about.languages)
    if not FEWEST_ROWS <= len(rows) <= MOST_ROWS:
        allowed = f"{FEWEST_ROWS} to {MOST_ROWS}"
        raise ReferenceRefused(f"the file has {len(rows)} rows, allowed are {allowed}")
    blocks = columns["block"].astype(np.int64)
    parts = parts_of(rows, own.parts.languages)
    means = _means(rows, parts, own)
    return Accepted(file.sha256, about, own.sketcher, rows, blocks, parts, means)


def read_about(raw: bytes) -> About:
    """Read what a file says of itself; raises ReferenceRefused."""
    length = int.from_bytes(raw[:8], "little")
    try:
        told: Any = json.loads(json.loads(raw[8 : 8 + length])["__metadata__"]["about"])
        return About(
            version=str(told["version"]),
            labels=tuple(map(str, told["labels"])),
            languages=tuple(map(str, told["languages"])),
            start=_moment(told["start"]),
            end=_moment(told["end"]),
            texts=int(told["texts"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ReferenceRefused(f"the file does not say whose traffic it is: {error!r}") from error


def _means(rows: Rows, parts: Parts, own: Reference) -> dict[str, Sample]:
    found = {}
    for part, chosen in parts.rows.items():
        n, of_own = int(chosen.sum()), own.sample(part)
        if of_own is not None and n >= of_own.n:
            vectors = own.sketcher.vectors(rows.take(chosen))
            found[part] = Sample(n, vectors.mean(axis=0, dtype=np.float64))
    return found


def _pieces(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the blocks [n] anew, those with many rows in pieces."""
    _, place = np.unique(blocks, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(place.max() + 1))
    within = np.empty(len(place), dtype=np.int64)
    within[order] = np.arange(len(place)) - starts[place[order]]
    return np.asarray(place * len(place) + within // _MOST_OF_A_BLOCK)


def _moment(value: Any) -> float:
    moment = float(value)
    if not isfinite(moment):
        raise ValueError(f"{value} is no time")
    return moment
