"""Strict reading of documents that people write (gate policies, ServedModels).

A wrong document is refused with the path of the field, its value and what is allowed;
an unknown field is refused by name, because a limit that was misspelt must not be lost.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any


class DocumentRefused(Exception):
    """A document cannot be used; the text names the field, its value and what is allowed."""


class Fields:
    """One mapping of a document, read field by field, then `close`d."""

    def __init__(self, document: object, path: str) -> None:
        if not isinstance(document, Mapping):
            raise DocumentRefused(f"{path} is {document!r}; a mapping is needed")
        self.path = path
        self._document: Mapping[str, Any] = document
        self._read: set[str] = set()

    def text(self, key: str, default: str | None = None) -> str:
        """Read a non-empty string."""
        value = self._take(key, default)
        if not isinstance(value, str) or not value:
            raise self._refuse(key, value, "a non-empty string")
        return value

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """Read a number in [low, high]."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refuse(key, value, "a number")
        if not low <= value <= high:
            raise self._refuse(key, value, f"between {low:g} and {high:g}")
        return float(value)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Read a whole number in [low, high]."""
        value = self.number(key, low, high, default)
        if value != int(value):
            raise self._refuse(key, value, "a whole number")
        return int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Read true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._refuse(key, value, "true or false")
        return value

    def choice(self, key: str, allowed: Collection[str], default: str | None = None) -> str:
        """Read one of the allowed strings."""
        value = self._take(key, default)
        if not isinstance(value, str) or value not in allowed:
            raise self._refuse(key, value, "one of " + ", ".join(sorted(allowed)))
        return value

    def items(self, key: str, default: Sequence[Any] | None = None) -> Sequence[Any]:
        """Read a list."""
        value = self._take(key, default)
        if not isinstance(value, list | tuple):
            raise self._refuse(key, value, "a list")
        return value

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """Read a list of non-empty strings."""
        value = self.items(key, default)
        for item in value:
            if not isinstance(item, str) or not item:
                raise self._refuse(key, value, "a list of non-empty strings")
        return tuple(value)

    def pairs(self, key: str, default: Mapping[str, str] | None = None) -> dict[str, str]:
        """Read a mapping of free keys to non-empty strings; keys are read as text."""
        value = self.mapping(key, default)
        if not all(isinstance(item, str) and item for item in value.values()):
            raise self._refuse(key, value, "a mapping to non-empty strings")
        return value

    def mapping(self, key: str, default: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read a mapping whose content someone else judges; keys are read as text."""
        value = self._take(key, default)
        if not isinstance(value, Mapping):
            raise self._refuse(key, value, "a mapping")
        return {str(name): item for name, item in value.items()}

    def section(self, key: str, *, required: bool = True) -> "Fields":
        """Read a nested mapping; a missing optional one reads as empty."""
        return Fields(self._take(key, None if required else {}), f"{self.path}.{key}")

    def has(self, key: str) -> bool:
        """Tell whether the field was written at all."""
        return key in self._document

    def close(self) -> None:
        """Refuse whatever was not read."""
        unknown = sorted(map(str, set(self._document) - self._read))
        if unknown:
            raise DocumentRefused(
                f"{self.path} has unknown field {unknown[0]!r}; "
                f"known here: {', '.join(sorted(self._read))}"
            )

    def _take(self, key: str, default: Any) -> Any:
        self._read.add(key)
        if key in self._document:
            return self._document[key]
        if default is None:
            raise DocumentRefused(f"{self.path}.{key} is missing; add it")
        return default

    def _refuse(self, key: str, value: object, allowed: str) -> DocumentRefused:
        return DocumentRefused(f"{self.path}.{key} is {value!r}; it must be {allowed}")
