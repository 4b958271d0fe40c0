# ruff: noqa: INP001 - a script, not a package
"""Renews every pinned requirements file, and tells when one is stale.

One resolution over all members becomes requirements-dev.txt; each deployable's own file, and one
more for each of its extras, is then resolved under it, so that there is one set of versions
everywhere. Hashes are in, index addresses are not. Each file's first line carries the sha256 of
what it was made from: `--check` compares only that, so it needs no network.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.9"
"""Installs everything else, so it comes by pip, with what builds the members' wheels: see
requirements-setup.txt."""
BUILD_BACKEND = "hatchling"
HEADER = "# inputs-sha256: "
_DEPENDENCY_KEYS = ("requires-python", "dependencies", "optional-dependencies")


def members() -> list[Path]:
    """Return the pyproject.toml of every workspace member, sorted."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    found = (path for pattern in workspace["members"] for path in ROOT.glob(pattern))
    return sorted(path / "pyproject.toml" for path in found if (path / "pyproject.toml").exists())


def deployables() -> list[Path]:
    """Return the members that get a requirements.txt of their own: all but the libraries."""
    return [path for path in members() if path.parent.parent.name != "libs"]


def inputs_sha256() -> str:
    """Hash what the resolutions depend on: who needs what, not how the tools are set up."""
    wanted: dict[str, object] = {"setup": [UV, BUILD_BACKEND]}
    for path in [ROOT / "pyproject.toml", *members()]:
        document = tomllib.loads(path.read_text())
        project = document.get("project", {})
        wanted[str(path.relative_to(ROOT))] = {
            **{key: project[key] for key in _DEPENDENCY_KEYS if key in project},
            "groups": document.get("dependency-groups", {}),
        }
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def requirements_files() -> list[Path]:
    """Return every file that `make lock` writes."""
    return [
        ROOT / "requirements-setup.txt",
        ROOT / "requirements-dev.txt",
        *(output for path in deployables() for output, _ in _outputs(path)),
    ]


def stale_files() -> list[Path]:
    """Return the requirements files whose header does not fit today's inputs."""
    expected = HEADER + inputs_sha256()
    return [path for path in requirements_files() if _first_line(path) != expected]


def renew() -> None:
    """Resolve and write every file; versions already pinned stay where they still fit."""
    everything = [str(path) for path in members()]
    development = ROOT / "requirements-dev.txt"
    group = f"{ROOT / 'pyproject.toml'}:dev"
    _compile(development, [*everything, "--all-extras", "--group", group])
    under = ["-c", str(development)]
    _compile(ROOT / "requirements-setup.txt", ["-", *under], f"{UV}\n{BUILD_BACKEND}")
    for path in deployables():
        for output, extra in _outputs(path):
            _compile(output, [str(path), *extra, *under])


def _outputs(path: Path) -> list[tuple[Path, list[str]]]:
    """Return the files of one deployable, each with the options that choose its extra."""
    extras = tomllib.loads(path.read_text())["project"].get("optional-dependencies", {})
    own = [(path.with_name("requirements.txt"), list[str]())]
    return own + [(path.with_name(f"requirements-{x}.txt"), ["--extra", x]) for x in extras]


def _compile(output: Path, arguments: list[str], stdin: str = "") -> None:
    unpinned = [f"--no-emit-package={_name(path)}" for path in members()]
    command = ["-m", "uv", "pip", "compile", "--quiet", "--generate-hashes", "--python-version"]
    options = ["3.11", "--custom-compile-command", "make lock", "-o", str(output), *unpinned]
    relative = [argument.replace(f"{ROOT}/", "") for argument in [*command, *options, *arguments]]
    subprocess.run([sys.executable, *relative], input=stdin, text=True, check=True, cwd=ROOT)
    text = output.read_text()
    output.write_text(f"{HEADER}{inputs_sha256()}\n{text}")


def _name(path: Path) -> str:
    return str(tomllib.loads(path.read_text())["project"]["name"])


def _first_line(path: Path) -> str | None:
    return path.read_text().partition("\n")[0] if path.exists() else None


def main() -> None:
    """Renew the files, or with `--check` exit 1 and name the stale ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell which files are stale")
    if not parser.parse_args().check:
        renew()
    for path in stale_files():
        sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run make lock\n")
    sys.exit(1 if stale_files() else 0)


if __name__ == "__main__":
    main()
