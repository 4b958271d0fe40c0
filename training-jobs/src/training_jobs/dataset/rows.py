"""Rows that passed the checks: a row's id is the sha256 of its text, its label an index."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lifecycle.datasets import row_id, row_line

NO_LABEL = -1
"""The label index of a row in a set without labels."""


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
        """The sha256 of the row file."""
        content = hashlib.sha256()
        for line in self.lines():
            content.update(line)
        return "sha256:" + content.hexdigest()

    def lines(self) -> Iterator[bytes]:
        """Yield the row file, line by line."""
        for identity, label, source in zip(self.ids, self.labels, self.sources, strict=True):
            yield row_line(identity, label, source)

    def select(self, positions: Sequence[int]) -> "Rows":
        """Return the rows at these positions, in that order."""
        return Rows(
            tuple(self.texts[i] for i in positions),
            tuple(self.labels[i] for i in positions),
            tuple(self.sources[i] for i in positions),
        )
