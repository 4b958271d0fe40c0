# ruff: noqa: INP001 - a script, not a package
"""Compiles the scorer of tfidf_linear, a C extension, beside the modules that use it.

Hatchling calls it for every wheel, editable ones included; `make setup` runs it as a script,
because an installer keeps what a build prints to itself. Without a C compiler one line says so,
and the scorer's twin in Python is used: it gives the same numbers in 40 times the time.
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
SOURCE = HERE / "native" / "scorer.c"
LIBRARY = (
    HERE
    / "src/textmodels/families/tfidf_linear"
    / f"_scorer{sysconfig.get_config_var('EXT_SUFFIX')}"
)
# No contraction: a fused multiply-add rounds once where the twin in Python rounds twice.
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-Wall", "-Wextra")


def compile_scorer(library: Path, *flags: str) -> None:
    """Write the extension; OSError without a compiler, CalledProcessError when it refuses."""
    compiler = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
    if shutil.which(compiler[0]) is None:  # Python was built elsewhere, with another one
        compiler[0] = "cc"
    headers = f"-I{sysconfig.get_path('include')}"
    partial = library.with_suffix(".partial")
    command = [*compiler, *FLAGS, *flags, headers, str(SOURCE), "-o", str(partial), "-lm"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    partial.rename(library)  # a process that has the old one open keeps it whole


def compile_if_possible() -> bool:
    """Compile, or say in one line on stderr why there will be no extension."""
    try:
        compile_scorer(LIBRARY)
    except (OSError, subprocess.CalledProcessError) as error:
        LIBRARY.unlink(missing_ok=True)
        reason = str(getattr(error, "stderr", None) or error).strip().splitlines()[0]
        sys.stderr.write(
            "textmodels: the scorer is not compiled, so tfidf_linear scores about 40 times slower "
            f"(a C compiler and Python's headers are needed): {reason}\n"
        )
    return LIBRARY.exists()


class ScorerHook(BuildHookInterface[Any]):
    """Adds the extension to a wheel, which is then one for this platform only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files of the wheel are gathered."""
        if self.target_name == "wheel" and compile_if_possible() and version != "editable":
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["artifacts"].append(f"*{LIBRARY.name}")


if __name__ == "__main__":
    compile_if_possible()
