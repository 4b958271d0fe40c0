"""Rows that passed the checks: a row's id is the sha256 of its text, its label an index."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lifecycle.digests import canonical_json

NO_LABEL = -1
"""The label index of a row in a set without labels."""


def row_id(text: str) -> str:
    """Return the 64 hex digits that stand for a text wherever the text must not go."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Rows:
    """Columns of equal length, in an order that counts."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The row ids."""
        return tuple(map(row_id, self.texts))

    @cached_property
    def digest(self) -> str:
        """sha256 over one line of canonical JSON per row: [row id, text, label index, source]."""
        content = hashlib.sha256()
        for row in zip(self.ids, self.texts, self.labels, self.sources, strict=True):
            content.update(canonical_json(row) + b"\n")
        return "sha256:" + content.hexdigest()

    def select(self, positions: Sequence[int]) -> "Rows":
        """Return the rows at these positions, in that order."""
        return Rows(
            tuple(self.texts[i] for i in positions),
            tuple(self.labels[i] for i in positions),
            tuple(self.sources[i] for i in positions),
        )
