# ruff: noqa: INP001 - shared by scripts, not a package
"""The files that a drift-monitor starts with: its one caller, its own token, its signing key."""

import hashlib
import json
from pathlib import Path

from servicekit.signing import generate_key


def write_files(folder: Path, token: str) -> dict[str, Path]:
    """Write them, for a caller who reports predictions with `token`; returns them by setting."""
    sha256 = hashlib.sha256(token.encode()).hexdigest()
    callers = {"callers": [{"name": "bench", "roles": ["predictor"], "sha256": sha256}]}
    texts = {"callers_file": json.dumps(callers), "token_file": "own"}
    files = {setting: folder / setting for setting in texts} | {"signing_key_file": folder / "key"}
    for setting, text in texts.items():
        files[setting].write_text(text)
        files[setting].chmod(0o600)
    generate_key(files["signing_key_file"])
    return files
