"""Starts the process: `python -m inference`."""

# ruff: noqa: E402 - what is imported is what the collector should not look at
import gc
import sys

# A start makes half a million objects and hardly any garbage: to look for it takes a twentieth.
gc.set_threshold(50_000)

from inference.app import run
from inference.oip_grpc import GrpcMissing
from inference.ports import ArtifactRefused
from inference.processes import run_several
from inference.settings import InferenceSettings
from servicekit.callers import FileRefused
from servicekit.logs import configure_logs
from servicekit.settings import load_settings


def main() -> None:
    """Serve the version the environment names."""
    settings = load_settings(InferenceSettings)
    configure_logs("inference", settings.log_level)
    try:
        (run if settings.workers == 1 else run_several)(settings)
    except (ArtifactRefused, FileRefused, GrpcMissing) as refused:
        sys.stderr.write(f"{refused}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
