# ruff: noqa: INP001 - a script, not a package
"""Compiles what a member has written in C, each extension beside the modules that use it.

A member names its sources and modules in its pyproject.toml, under this hook. Hatchling calls it
for every wheel, editable ones included; `make setup` runs it as a script, because an installer
keeps what a build prints to itself. Without a C compiler one line says so, and what is written in
Python is used: it gives the same in more time.
"""

import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# No contraction: a fused multiply-add rounds once where the twin in Python rounds twice.
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-Wall", "-Wextra")


def read_extensions(member: Path) -> dict[Path, Path]:
    """Return each source of a member, and the file its extension is written to."""
    hook = _hook_of(member)
    return {
        member / source: (member / module).with_name(Path(module).name + SUFFIX)
        for source, module in hook["extensions"].items()
    }


def compile_extension(source: Path, library: Path, *flags: str) -> None:
    """Write an extension; OSError without a compiler, CalledProcessError when it refuses."""
    compiler = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    if shutil.which(compiler[0]) is None:  # Python was built elsewhere, with another one
        compiler[0] = "cc"
    headers = f"-I{sysconfig.get_path('include')}"
    partial = library.with_suffix(".partial")
    command = [*compiler, *FLAGS, *flags, headers, str(source), "-o", str(partial), "-lm"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    partial.rename(library)  # a process that has the old one open keeps it whole


def compile_if_possible(member: Path) -> list[Path]:
    """Compile all, or say in one line on stderr why there will be none; return those there are."""
    extensions = read_extensions(member)
    try:
        for source, library in extensions.items():
            compile_extension(source, library)
    except (OSError, subprocess.CalledProcessError) as error:
        for library in extensions.values():
            library.unlink(missing_ok=True)
        reason = str(getattr(error, "stderr", None) or error).strip().splitlines()[0]
        sys.stderr.write(
            f"{member.name}: nothing is compiled, so {_hook_of(member)['without']} "
            f"(a C compiler and Python's headers are needed): {reason}\n"
        )
        return []
    return list(extensions.values())


class ExtensionsHook(BuildHookInterface[Any]):
    """Adds the extensions to a wheel, which is then one for this platform only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files of the wheel are gathered."""
        libraries = compile_if_possible(Path(self.root)) if self.target_name == "wheel" else []
        if libraries and version != "editable":
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["artifacts"] += [f"*{library.name}" for library in libraries]


def _hook_of(member: Path) -> Mapping[str, Any]:
    project = tomllib.loads((member / "pyproject.toml").read_text())
    hook: Mapping[str, Any] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
    return hook["custom"]  # type: ignore[no-any-return]


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        compile_if_possible(Path(folder).resolve())
