"""The peers' own Python environments, installed from their pinned requirement files.

They stay in .isogloss/benchmarks, under a name that holds their file's hash, so that each is
installed once and anew when its file changes.
"""

import hashlib
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from bars import run_line, tell

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
CACHE = ROOT / ".isogloss" / "benchmarks"
OWN = "isogloss"
"""The environment this script runs in."""

_TOLD = re.compile(
    "bentoml|ctranslate2|fastapi|infinity-emb|keras|kserve|litserve|mlserver|numpy|onnxruntime"
    "|optimum|scikit-learn|tensorflow-cpu|tokenizers|torch|transformers|uvicorn|uvloop"
)
_LIST = (
    "import json; from importlib.metadata import distributions; "
    "print(json.dumps({each.name.lower(): each.version for each in distributions()}))"
)


def python_of(environment: str) -> Path:
    """Return the interpreter of an environment, which is installed when it is not there yet."""
    if environment == OWN:
        return Path(sys.executable)
    requirements = PEERS / f"{environment}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    home = CACHE / "environments" / f"{environment}-{digest}"
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        tell(f"installing {requirements.relative_to(ROOT)}")
        _uv("venv", "--clear", "--python", sys.executable, str(home))
        _uv("pip", "install", "--python", str(python), "--require-hashes", "-r", str(requirements))
        (home / "installed").touch()
    return python


@cache
def versions_of(environment: str) -> dict[str, str]:
    """Return the versions in an environment that decide what it can do."""
    found = json.loads(run_line(str(python_of(environment)), "-c", _LIST))
    return {name: found[name] for name in sorted(found) if _TOLD.fullmatch(name)}


def _uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", *arguments, "--quiet"]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"uv {' '.join(arguments)} failed: is a package index reachable?")
