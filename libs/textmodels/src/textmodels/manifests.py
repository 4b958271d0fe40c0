"""The manifest of an artifact: what the model is, what it was made from, and every file's hash.

Its bytes are canonical JSON, so the digest of the bytes names the whole artifact, and two
manifests are the same exactly when their digests are.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ARTIFACT_FORMAT = "isogloss.artifact/v1"
TEXT_CLASSIFICATION = "text-classification"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# One flat folder of plain names: nothing to traverse, nothing to hide.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FIELDS = (
    "format",
    "family",
    "task",
    "labels",
    "preprocessing",
    "projection_seed",
    "lineage",
    "files",
)


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


class ArtifactError(Exception):
    """An artifact cannot be written, or is not one that may be loaded. The message says why."""


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says."""

    family: str
    """The model family that can load the files."""
    labels: tuple[str, ...]
    """In the order of the score columns."""
    preprocessing: Mapping[str, Any]
    """How a text becomes features, for a reader; the files hold what loading needs."""
    projection_seed: int
    """Seed of the projection in `Predictions.projection`."""
    lineage: Mapping[str, str]
    """What the model was made from: dataset, prompt, commit, run, training image, ..."""
    files: Mapping[str, str]
    """'sha256:<hex>' of every file beside the manifest, by name."""
    format: str = ARTIFACT_FORMAT
    task: str = TEXT_CLASSIFICATION

    @property
    def digest(self) -> str:
        """'sha256:<hex>' of the canonical bytes: the name of the whole artifact."""
        return sha256_digest(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the canonical JSON: sorted keys, no spaces, UTF-8.

        Raises ArtifactError when a value has no such form (NaN, half a surrogate pair, a set).
        """
        document = {field: getattr(self, field) for field in _FIELDS}
        try:
            return _ENCODER.encode(document).encode()
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"manifest: a value is not canonical JSON ({error})") from error

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Manifest":
        """Read canonical bytes; raise ArtifactError naming the field that is wrong."""
        document = _parse_object(raw)
        _require_fields(document)
        for field, (is_valid, wanted) in _RULES.items():
            if not is_valid(document[field]):
                raise ArtifactError(f"manifest: {field} must be {wanted}")
        manifest = cls(**{**document, "labels": tuple(document["labels"])})
        if manifest.to_bytes() != raw:
            raise ArtifactError(
                "manifest: not canonical JSON (sorted keys, no spaces, UTF-8, no key twice): "
                "its bytes would not be the ones its digest names"
            )
        return manifest


def sha256_digest(raw: bytes) -> str:
    """Return 'sha256:<hex>' of some bytes."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _parse_object(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"manifest: not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ArtifactError("manifest: must be a JSON object")
    return document


def _require_fields(document: dict[str, Any]) -> None:
    for field in _FIELDS:
        if field not in document:
            raise ArtifactError(f"manifest: {field} is missing")
    unknown = sorted(document.keys() - set(_FIELDS))
    if unknown:
        raise ArtifactError(f"manifest: {unknown[0]!r} is not a field of {ARTIFACT_FORMAT}")


def _are_labels(value: object) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(label, str) and label for label in value)
        and len(set(value)) == len(value) >= 2
    )


def _are_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _are_files(value: object) -> bool:
    return isinstance(value, dict) and all(
        _FILE_NAME.fullmatch(name) and isinstance(digest, str) and _DIGEST.fullmatch(digest)
        for name, digest in value.items()
    )


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "format": (lambda value: bool(value == ARTIFACT_FORMAT), f"{ARTIFACT_FORMAT!r}"),
    "family": (lambda value: isinstance(value, str) and value != "", "a family's name"),
    "task": (lambda value: bool(value == TEXT_CLASSIFICATION), f"{TEXT_CLASSIFICATION!r}"),
    "labels": (_are_labels, "a list of two or more different texts"),
    "preprocessing": (lambda value: isinstance(value, dict), "an object"),
    "projection_seed": (
        lambda value: type(value) is int and value >= 0,
        "a whole number, 0 or more",
    ),
    "lineage": (_are_texts, "an object of texts"),
    "files": (_are_files, "an object of plain file names and their 'sha256:<hex>'"),
}
