"""What is kept of a Window's rows: one vector of sums per Slice, about 12 kB, that merges.

Each row becomes a vector whose parts are random Fourier features of its projection, the projection
itself, its label and language as one-hot, its scores and measurements as histogram bins, its
flags, the signs of its fingerprint, and the measurements. Sums of such vectors are all that
Detectors need; rows and texts are gone once they are added.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stats.two_sample import rff_features, rff_frequencies

Floats = NDArray[np.float64]

# Measurements that are compared as histograms, in the order of their parts.
MEASURES = ("confidence", "length", "unknown_words", "non_letter")
# What a row is or is not; compared as shares.
FLAGS = ("truncated", "empty")
FINGERPRINT_BITS = 128
_FINGERPRINT_DIGITS = FINGERPRINT_BITS // 4
# Reference quantiles as edges: finer gains nothing at 200 rows a Window.
_BINS = 32
# Labels whose scores are compared one by one: those the Reference holds most of. With more the
# vector would grow, and the largest of many distances says less and less.
_MOST_SCORES = 16
# The frequencies must be the same after a restart, in the middle of a Window.
_SEED = 20240615


@dataclass(frozen=True)
class Rows:
    """Answers of one version as columns of n.

    Label index [n], scores [n, k], projection [n, 64], language [n], signs [n, 128], measures and
    flags [n] each. `length` is the logarithm of the words plus one, because texts are long by
    factors. `signs` are the bits of the fingerprint as -1 and 1, all 0 where there is none: added
    up over rows that are all different they stay small, repeated texts make them large.
    """

    label: NDArray[np.int64]
    scores: NDArray[np.float32]
    projection: NDArray[np.float32]
    language: NDArray[np.str_]
    measures: Mapping[str, Floats]
    flags: Mapping[str, NDArray[np.bool_]]
    signs: NDArray[np.int8]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.label)

    @classmethod
    def join(cls, parts: Sequence["Rows"]) -> "Rows":
        """Return the rows of several, one after the other."""

        def column(values: Callable[[Rows], NDArray[Any]]) -> NDArray[Any]:
            return np.concatenate([values(part) for part in parts])

        return cls(
            label=column(lambda rows: rows.label),
            scores=column(lambda rows: rows.scores),
            projection=column(lambda rows: rows.projection),
            language=column(lambda rows: rows.language),
            measures={
                name: np.concatenate([part.measures[name] for part in parts]) for name in MEASURES
            },
            flags={name: np.concatenate([part.flags[name] for part in parts]) for name in FLAGS},
            signs=column(lambda rows: rows.signs),
        )

    def take(self, chosen: NDArray[Any]) -> "Rows":
        """Return the chosen rows, by a mask or by position."""
        return Rows(
            label=self.label[chosen],
            scores=self.scores[chosen],
            projection=self.projection[chosen],
            language=self.language[chosen],
            measures={name: values[chosen] for name, values in self.measures.items()},
            flags={name: values[chosen] for name, values in self.flags.items()},
            signs=self.signs[chosen],
        )


@dataclass(frozen=True)
class Sketcher:
    """How rows of one version become vectors; made from its Reference.

    `scored` are the labels whose scores are compared, `score_edges` their histograms' edges.
    Languages that the Reference does not hold are one more, the last.
    """

    labels: tuple[str, ...]
    languages: tuple[str, ...]
    frequencies: NDArray[np.float32]
    edges: Mapping[str, Floats]
    scored: tuple[int, ...]
    score_edges: tuple[Floats, ...]

    def vectors(self, rows: Rows) -> NDArray[np.float32]:
        """Return one vector per row [n, width]."""
        # Filled in place: joining parts took as long as making them.
        vectors = np.empty((len(rows), self.width), dtype=np.float32)
        features = self.part("features")
        rff_features(rows.projection, self.frequencies, into=vectors[:, features])
        vectors[:, features.stop :] = 0
        vectors[:, self.part("projection")] = rows.projection
        for name, bins in self._bins(rows):
            vectors[np.arange(len(rows)), self.part(name).start + bins] = 1
        for place, name in enumerate(FLAGS):
            vectors[:, self.part("flags").start + place] = rows.flags[name]
        vectors[:, self.part("signs")] = rows.signs
        vectors[:, self.part("fingerprinted").start] = rows.signs[:, 0] != 0
        for place, name in enumerate(MEASURES):
            vectors[:, self.part("means").start + place] = rows.measures[name]
        return vectors

    def part(self, name: str) -> slice:
        """Return where a part stands: features, projection, label, language, a measure, ..."""
        return self._parts[name]

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(self._parts["means"].stop)

    @cached_property
    def _parts(self) -> dict[str, slice]:
        parts, start = {}, 0
        for name, width in self._widths():
            parts[name] = slice(start, start + width)
            start += width
        return parts

    def _widths(self) -> Iterator[tuple[str, int]]:
        yield "features", 2 * len(self.frequencies)
        yield "projection", self.frequencies.shape[1]
        yield "label", len(self.labels)
        yield "language", len(self.languages) + 1
        for label, edges in zip(self.scored, self.score_edges, strict=True):
            yield f"score {label}", len(edges) + 1
        for name in MEASURES:
            yield name, len(self.edges[name]) + 1
        yield "flags", len(FLAGS)
        yield "signs", FINGERPRINT_BITS
        yield "fingerprinted", 1
        yield "means", len(MEASURES)

    def _bins(self, rows: Rows) -> Iterator[tuple[str, NDArray[np.intp]]]:
        """Yield the parts of which each row has one place, with that of each row."""
        known = {language: place for place, language in enumerate(self.languages)}
        languages = [known.get(language, len(known)) for language in rows.language.tolist()]
        yield "label", rows.label.astype(np.intp)
        yield "language", np.array(languages, dtype=np.intp)
        # side="left": a value on an edge belongs below it, so that the mass at 0 has its own bin.
        for label, edges in zip(self.scored, self.score_edges, strict=True):
            yield f"score {label}", np.searchsorted(edges, rows.scores[:, label], side="left")
        for name in MEASURES:
            edges = self.edges[name]
            yield name, np.searchsorted(edges, rows.measures[name], side="left")


def make_sketcher(labels: tuple[str, ...], reference: Rows) -> Sketcher:
    """Take the kernel's width and the histograms' edges from the Reference's rows."""
    scored = _scored(len(labels), reference)
    return Sketcher(
        labels=labels,
        languages=tuple(sorted(set(reference.language.tolist()))),
        frequencies=rff_frequencies(reference.projection.astype(np.float64), _SEED).astype("f4"),
        edges={name: _edges(reference.measures[name]) for name in MEASURES},
        scored=scored,
        score_edges=tuple(_edges(reference.scores[:, label]) for label in scored),
    )


def signs_of(fingerprints: Sequence[str]) -> NDArray[np.int8]:
    """Return the signs [n, 128] of fingerprints of 32 hex digits; zeros for anything else."""
    known = [place for place, text in enumerate(fingerprints) if len(text) == _FINGERPRINT_DIGITS]
    raw = _bytes_of([fingerprints[place] for place in known])
    if raw is None:
        known = [place for place in known if _bytes_of([fingerprints[place]]) is not None]
        raw = _bytes_of([fingerprints[place] for place in known]) or b""
    bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8)).reshape(-1, FINGERPRINT_BITS)
    signs = np.zeros((len(fingerprints), FINGERPRINT_BITS), dtype=np.int8)
    signs[known] = 2 * bits.astype(np.int8) - 1
    return signs


def _bytes_of(digits: Sequence[str]) -> bytes | None:
    """Return what hex digits say, None where one is none: all at once, as it is hot."""
    joined = "".join(digits)
    try:
        # Whitespace would be skipped.
        return bytes.fromhex(joined) if joined.isalnum() or not joined else None
    except ValueError:
        return None


def _scored(labels: int, reference: Rows) -> tuple[int, ...]:
    """Choose the labels whose scores are compared: of two, one says what the other does."""
    counts = np.bincount(reference.label, minlength=labels)
    most = np.argsort(-counts, kind="stable")[:_MOST_SCORES]
    return tuple(sorted(most.tolist()))[-max(1, labels - 1) :]


def _edges(values: NDArray[np.floating]) -> Floats:
    inner = np.linspace(0, 1, _BINS + 1)[1:-1]
    # Shares are often exactly 0 or 1: equal quantiles become one edge.
    return np.unique(np.quantile(values.astype(np.float64), inner))
