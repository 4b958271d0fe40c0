"""Files that appear whole or not at all, so that an interrupted command leaves no half of one."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from isogloss.failures import Refused


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` in one step; a full disk is a Refused that names the file."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise Refused(
            f"{path} cannot be written: {error.strerror}; free some space and run again"
        ) from error


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document that only its owner reads."""
    write_whole(path, json.dumps(document, indent=1).encode() + b"\n")


def read_json(path: Path) -> Any | None:
    """Read a JSON document; None where there is none or it is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def read_needed(path: Path, what: str, remedy: str) -> bytes:
    """Read a file that a command cannot do without."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{what} {path} cannot be read: {error.strerror}; {remedy}") from error
