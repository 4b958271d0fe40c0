"""What a run was made with: Python, the machine's kind and every installed package."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from lifecycle.digests import canonical_json, sha256_digest


def installed_requirements() -> str:
    """Return every installed distribution as `name==version`, one per line, sorted."""
    found = {
        f"{distribution.metadata['Name'].lower()}=={distribution.version}"
        for distribution in importlib.metadata.distributions()
    }
    return "".join(f"{line}\n" for line in sorted(found))


def environment_digest() -> str:
    """Return the sha256 of the interpreter and every installed package with its version: what a run
    can say of its surroundings where no image does. It is the run's own word.
    """
    described = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "requirements": installed_requirements(),
    }
    return sha256_digest(canonical_json(described))


def write_environment(directory: Path) -> dict[str, Any]:
    """Write `requirements.txt` and return what goes into `environment.json`."""
    requirements = installed_requirements()
    (directory / "requirements.txt").write_text(requirements, encoding="utf-8")
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": len(requirements.splitlines()),
        "requirements_digest": sha256_digest(requirements.encode()),
    }
