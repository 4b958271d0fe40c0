# ruff: noqa: INP001 - shared by scripts, not a package
"""Python environments of others' libraries, installed from their pinned requirement files.

They stay in .isogloss/benchmarks, under a name that holds their file's hash, so that each is
installed once and anew when its file changes.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from bars import tell

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".isogloss" / "benchmarks"


def python_for(requirements: Path) -> Path:
    """Return the interpreter of a requirement file's environment, installed where it is not yet."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    home = CACHE / "environments" / f"{requirements.stem}-{digest}"
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        tell(f"installing {requirements.relative_to(ROOT)}")
        _uv("venv", "--clear", "--python", sys.executable, str(home))
        _uv("pip", "install", "--python", str(python), "--require-hashes", "-r", str(requirements))
        (home / "installed").touch()
    return python


def _uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", *arguments, "--quiet"]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"uv {' '.join(arguments)} failed: is a package index reachable?")
