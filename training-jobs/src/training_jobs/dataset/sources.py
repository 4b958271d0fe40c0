"""Where rows come from: a file inside a package, or a CSV file of the project.

A package is named by its exact requirement and the sha256 of its file, so the same bytes come
back or none. How bytes are fetched is `adapters.packages`'; here is only what is asked for.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from lifecycle.documents import DocumentRefused, Fields

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PackageMember:
    """One member of a package's file; each further step of `member` lies in the archive before."""

    requirement: str
    sha256: str
    form: str
    member: tuple[str, ...]


@dataclass(frozen=True)
class LocalFile:
    """A file beside `dataset.yaml`, or an absolute path."""

    path: Path


@dataclass(frozen=True)
class Layout:
    """How a table is written. `columns` None: they are named in its first line."""

    separator: str
    columns: tuple[str, ...] | None

    @property
    def quoted(self) -> bool:
        """Whether a field may be quoted, as in CSV."""
        return self.separator == ","


@dataclass(frozen=True)
class Source:
    """One table. Rows that carry no `source` column are given its name."""

    name: str
    origin: PackageMember | LocalFile
    layout: Layout


CSV = Layout(",", None)


def read_source(fields: Fields) -> Source:
    """Read one entry of `sources`."""
    kind = fields.choice("kind", {"package", "csv"})
    source = Source(
        name=fields.text("name"),
        origin=read_package(fields) if kind == "package" else LocalFile(Path(fields.text("path"))),
        layout=_read_layout(fields),
    )
    fields.close()
    return source


def read_package(fields: Fields) -> PackageMember:
    """Read what names a member of a package."""
    return PackageMember(
        requirement=_matching(fields, "requirement", _REQUIREMENT, "name==version"),
        sha256=_matching(fields, "sha256", _SHA256, "64 hex digits"),
        form=fields.choice("form", {"wheel", "sdist"}, "wheel"),
        member=fields.texts("member"),
    )


def describe(source: Source) -> str:
    """Say where a source lies, for messages."""
    match source.origin:
        case PackageMember(requirement=requirement, member=member):
            return f"{member[-1]} in {requirement}"
        case LocalFile(path=path):
            return str(path)
        case _:
            assert_never(source.origin)


def _read_layout(fields: Fields) -> Layout:
    separator = {"csv": ",", "tsv": "\t"}[fields.choice("format", {"csv", "tsv"}, "csv")]
    columns = fields.texts("columns", ())
    return Layout(separator, columns or None)


def _matching(fields: Fields, key: str, pattern: re.Pattern[str], allowed: str) -> str:
    value = fields.text(key)
    if not pattern.fullmatch(value):
        raise DocumentRefused(f"{fields.path}.{key} is {value!r}; it must be {allowed}")
    return value
