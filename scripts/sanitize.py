# ruff: noqa: INP001 - a script, not a package
"""Runs a member's fuzzers on its extensions, compiled with sanitizers that stop at the first fault.

The fuzzers are `tests/fuzz_*.py`; each gets the folder of the extensions as `--libraries`, and what
else is given here. They run in processes of their own, which have the sanitizer's runtime in them
from the start.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "libs/textmodels/hatch_build.py"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover", "-g", "-O1", "-Werror")


def compile_sanitized(member: Path, directory: str) -> None:
    """Write the extensions of a member into a folder."""
    spec = importlib.util.spec_from_file_location("hatch_build", BUILD)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{BUILD} cannot be loaded.")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    for source, library in build.read_extensions(member).items():
        build.compile_extension(source, Path(directory) / library.name, *SANITIZERS)


def main() -> int:
    """Fuzz the member that is named first; the rest is its fuzzers'."""
    member, *given = sys.argv[1:]
    named = ["gcc", "-print-file-name=libasan.so"]
    runtime = subprocess.run(named, capture_output=True, text=True, check=True).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter itself frees little at its end
        "PYTHONMALLOC": "malloc",  # else texts lie where the sanitizer cannot tell them apart
    }
    with tempfile.TemporaryDirectory() as directory:
        compile_sanitized(ROOT / member, directory)
        for fuzzer in sorted((ROOT / member / "tests").glob("fuzz_*.py")):
            command = [sys.executable, str(fuzzer), "--libraries", directory, *given]
            if failed := subprocess.run(command, env=environment, check=False).returncode:
                return failed
    return 0


if __name__ == "__main__":
    sys.exit(main())
