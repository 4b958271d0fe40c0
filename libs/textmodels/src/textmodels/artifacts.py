"""An artifact on disk: one flat folder of a model's files and the manifest that names them.

Whatever is loaded has been read once, hashed, and is parsed from those very bytes. Names, kinds
and formats outside the family's own short list are refused before anything is parsed: there is
no pickle here, and nothing in an artifact says what to trust.
"""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from textmodels.families import FAMILIES, Family, Fitted
from textmodels.manifests import ArtifactError, Manifest, sha256_digest
from textmodels.predictions import Predictor
from textmodels.reference import REFERENCE_NAME, Reference
from textmodels.verification import HOSTILE_TEXTS, require_identical

__all__ = [
    "MANIFEST_NAME",
    "ArtifactError",
    "Manifest",
    "load_artifact",
    "read_manifest",
    "save_artifact",
    "verify_files",
]

MANIFEST_NAME = "manifest.json"


def save_artifact(
    directory: Path,
    fitted: Fitted,
    lineage: Mapping[str, str],
    reference: Reference | None = None,
) -> Manifest:
    """Write a fitted model as the artifact `directory`, which must be new or empty.

    The packed files are unpacked and compared before anything is written, and the directory
    gets its name last, by one rename: after a crash there is the whole artifact or none.
    Raises ArtifactError when the place is taken or a lineage value is no text, VerificationError
    when the saved form does not answer as the fitted one.
    """
    files = dict(FAMILIES[fitted.family].pack(fitted.predictor))
    if reference is not None:
        files[REFERENCE_NAME] = reference.to_bytes()
    manifest = _describe(fitted, lineage, files)
    saved = FAMILIES[fitted.family].unpack(files, manifest)
    require_identical(saved.predict(HOSTILE_TEXTS), fitted.predictor.predict(HOSTILE_TEXTS))
    _write_directory(Path(directory), {**files, MANIFEST_NAME: manifest.to_bytes()})
    return manifest


def load_artifact(
    directory: Path, expected_digest: str | None = None
) -> tuple[Manifest, Predictor]:
    """Load an artifact whose every byte is what its manifest, and `expected_digest`, name.

    Raises ArtifactError naming the file or field that is wrong, EngineMissing when it is right and
    what it needs to score is not installed.
    """
    manifest = read_manifest(directory)
    if expected_digest is not None and manifest.digest != expected_digest:
        raise ArtifactError(
            f"{directory} holds {manifest.digest}, not the wanted {expected_digest}: fetch it again"
        )
    files = dict(_verified_files(Path(directory), manifest))
    return manifest, _family_of(manifest).unpack(files, manifest)


def read_manifest(directory: Path) -> Manifest:
    """Read an artifact's manifest alone; raise ArtifactError when it is missing or malformed."""
    return Manifest.from_bytes(_read_plain_file(Path(directory), MANIFEST_NAME))


def verify_files(directory: Path, manifest: Manifest) -> None:
    """Check that the directory holds exactly the manifest's files, byte by byte.

    Raises ArtifactError naming the file that is missing, altered, extra, no plain file or of a
    format that is not allowed.
    """
    for _ in _verified_files(Path(directory), manifest):
        pass


def _describe(fitted: Fitted, lineage: Mapping[str, str], files: Mapping[str, bytes]) -> Manifest:
    manifest = Manifest(
        family=fitted.family,
        labels=fitted.labels,
        preprocessing=fitted.preprocessing,
        projection_seed=fitted.projection_seed,
        lineage=dict(lineage),
        files={name: sha256_digest(raw) for name, raw in files.items()},
    )
    return Manifest.from_bytes(manifest.to_bytes())


def _write_directory(directory: Path, files: Mapping[str, bytes]) -> None:
    if directory.exists() and any(directory.iterdir()):
        raise ArtifactError(f"{directory} already holds files: save to a new directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what an interrupted save left behind
    partial.mkdir()
    for name, raw in files.items():
        _write_durably(partial / name, raw)
    _sync(partial)
    partial.rename(directory)
    _sync(directory.parent)


def _write_durably(path: Path, raw: bytes) -> None:
    with path.open("xb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _family_of(manifest: Manifest) -> Family:
    if manifest.family not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise ArtifactError(f"manifest: family {manifest.family!r} is not one of {known}")
    return FAMILIES[manifest.family]


def _verified_files(directory: Path, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    _require_family_files(manifest)
    extra = {entry.name for entry in directory.iterdir()} - manifest.files.keys() - {MANIFEST_NAME}
    if extra:
        raise ArtifactError(f"{min(extra)}: in {directory} but not in its manifest")
    for name, digest in sorted(manifest.files.items()):
        raw = _read_plain_file(directory, name)
        if sha256_digest(raw) != digest:
            raise ArtifactError(f"{name}: its sha256 is not the one in the manifest")
        yield name, raw


def _require_family_files(manifest: Manifest) -> None:
    family = _family_of(manifest)
    required = family.FILE_NAMES
    allowed = required | family.OPTIONAL_FILE_NAMES | {REFERENCE_NAME}
    foreign = manifest.files.keys() - allowed
    if foreign:
        raise ArtifactError(
            f"{min(foreign)}: not a file a {manifest.family} artifact may hold "
            f"({', '.join(sorted(allowed))})"
        )
    missing = required - manifest.files.keys()
    if missing:
        raise ArtifactError(f"{min(missing)}: a {manifest.family} artifact must have it")


def _read_plain_file(directory: Path, name: str) -> bytes:
    """Read a file without following a link or waiting on a pipe, also if swapped meanwhile."""
    try:
        handle = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise ArtifactError(f"{name}: missing from {directory}") from error
    except OSError as error:
        raise ArtifactError(f"{name}: cannot be read as a plain file ({error.strerror})") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ArtifactError(f"{name}: not a plain file")
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)
