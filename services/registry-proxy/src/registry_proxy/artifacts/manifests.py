"""Reading an artifact's manifest strictly: canonical JSON, plain file names, safe formats only.

What a family's files mean is not known here; what each one holds, `formats` reads.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lifecycle.digests import NO_CONTENT, canonical_json, is_digest, sha256_digest
from lifecycle.documents import DocumentRefused, Fields
from registry_proxy.artifacts.formats import ALLOWED_SUFFIXES

MANIFEST_NAME = "manifest.json"
FORMAT = "isogloss.artifact/v1"
REQUIRED_LINEAGE = ("dataset_version", "prompt_version", "commit", "run_id")

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_FILES = 64
_NO_PROMPT = (None, NO_CONTENT)


class ArtifactRefused(Exception):
    """This artifact is not admitted; the text names the file or field and says why."""


@dataclass(frozen=True)
class Manifest:
    """What the registry needs of a manifest; `files` maps a name to its sha256 digest."""

    digest: str
    family: str
    task: str
    labels: tuple[str, ...]
    lineage: Mapping[str, str]
    files: Mapping[str, str]


def read_manifest(content: bytes) -> Manifest:
    """Read a manifest's bytes; raises ArtifactRefused."""
    try:
        document = json.loads(content)
        if canonical_json(document) != content:
            raise ArtifactRefused(f"{MANIFEST_NAME} is not canonical JSON; save the artifact again")
        return _read(document, sha256_digest(content))
    except (ValueError, RecursionError) as error:
        raise ArtifactRefused(f"{MANIFEST_NAME} is not JSON: {error}") from error
    except DocumentRefused as refused:
        raise ArtifactRefused(str(refused)) from refused


def named_files(content: bytes) -> Mapping[str, str]:
    """Return the files, with their digests, that a kept manifest names: a version's, or that of
    what it was made from. Raises ArtifactRefused.
    """
    try:
        return Fields(json.loads(content), "manifest").pairs("files")
    except (ValueError, RecursionError, DocumentRefused) as error:
        raise ArtifactRefused(f"{MANIFEST_NAME} names no files: {error}") from error


def _read(document: object, digest: str) -> Manifest:
    fields = Fields(document, "manifest")
    fields.choice("format", {FORMAT})
    fields.mapping("preprocessing")
    fields.whole("projection_seed", 0, 2**53)
    manifest = Manifest(
        digest=digest,
        family=fields.text("family"),
        task=fields.text("task"),
        labels=fields.texts("labels"),
        lineage=fields.pairs("lineage"),
        files=fields.pairs("files"),
    )
    fields.close()
    _refuse_lineage(manifest.lineage)
    _refuse_files(manifest.files)
    return manifest


def _refuse_lineage(lineage: Mapping[str, str]) -> None:
    for key in REQUIRED_LINEAGE:
        if key not in lineage:
            raise ArtifactRefused(f"manifest.lineage.{key} is missing; save the artifact with it")
    if lineage["prompt_version"] == NO_CONTENT and lineage.get("prompt_digest") not in _NO_PROMPT:
        raise ArtifactRefused("manifest.lineage.prompt_digest is given, but no prompt_version")
    for key, value in lineage.items():
        if key.endswith("_digest") and value != NO_CONTENT and not is_digest(value):
            raise ArtifactRefused(f"manifest.lineage.{key} is {value!r}; a sha256 digest is needed")


def _refuse_files(files: Mapping[str, str]) -> None:
    if not 0 < len(files) <= _MOST_FILES:
        raise ArtifactRefused(f"manifest.files names {len(files)} files; 1 to {_MOST_FILES} may be")
    for name, digest in files.items():
        if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST_NAME:
            raise ArtifactRefused(f"manifest.files names {name!r}, which is no plain file name")
        if not name.endswith(ALLOWED_SUFFIXES):
            allowed = ", ".join(ALLOWED_SUFFIXES)
            raise ArtifactRefused(f"{name} is of a format that is not admitted ({allowed} are)")
        if not is_digest(digest):
            raise ArtifactRefused(f"manifest.files.{name} is {digest!r}; a sha256 digest is needed")
