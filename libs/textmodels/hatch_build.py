# ruff: noqa: INP001 - a script, not a package
"""Compiles what is written in C, each extension beside the modules that use it.

Hatchling calls it for every wheel, editable ones included; `make setup` runs it as a script,
because an installer keeps what a build prints to itself. Without a C compiler one line says so,
and the twins in Python are used: they give the same numbers in 5 to 40 times the time.
"""

import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent
EXTENSIONS = {
    HERE / "native" / f"{source}.c": HERE / f"src/textmodels/{module}"
    for source, module in {
        "measures": "_measures",
        "network": "families/keras_embedding/_network",
        "scorer": "families/tfidf_linear/_scorer",
    }.items()
}
"""Source and module; the module's file has also `SUFFIX`."""
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# No contraction: a fused multiply-add rounds once where the twin in Python rounds twice.
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-Wall", "-Wextra")


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


def compile_if_possible() -> list[Path]:
    """Compile all, or say in one line on stderr why there will be none; return those there are."""
    libraries = [module.with_name(module.name + SUFFIX) for module in EXTENSIONS.values()]
    try:
        for source, library in zip(EXTENSIONS, libraries, strict=True):
            compile_extension(source, library)
    except (OSError, subprocess.CalledProcessError) as error:
        for library in libraries:
            library.unlink(missing_ok=True)
        reason = str(getattr(error, "stderr", None) or error).strip().splitlines()[0]
        sys.stderr.write(
            "textmodels: nothing is compiled, so tfidf_linear scores about 40 times slower "
            f"(a C compiler and Python's headers are needed): {reason}\n"
        )
        return []
    return libraries


class ExtensionsHook(BuildHookInterface[Any]):
    """Adds the extensions to a wheel, which is then one for this platform only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files of the wheel are gathered."""
        libraries = compile_if_possible() if self.target_name == "wheel" else []
        if libraries and version != "editable":
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["artifacts"] += [f"*{library.name}" for library in libraries]


if __name__ == "__main__":
    compile_if_possible()
