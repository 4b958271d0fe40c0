"""`python -m inference.fetch SRC DEST`: KServe's storage initializer for isogloss:// addresses.

Exit codes: 0 the artifact is in DEST, 1 refused, 2 usage, 3 the registry-proxy did not answer.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from inference.adapters.registry_proxy import RegistryProxy
from inference.fetch.deliver import Patience, deliver_when_available
from inference.ports import ArtifactRefused, ArtifactUnavailable
from inference.settings import FetchSettings, digest_of
from servicekit.logs import configure_logs
from servicekit.settings import load_settings

_REFUSED, _UNREACHABLE, _TERMINATED = 1, 3, 143
_STAGING_NAME = ".fetching"


def main() -> None:
    """Fetch what the arguments name."""
    # A container's first process is not ended by a signal that it does not take.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    digest, destination = _parse_arguments()
    settings = load_settings(FetchSettings)
    configure_logs("inference-fetch", settings.log_level)
    # On the same volume, so that a file gets to its place by a rename.
    staging = destination / _STAGING_NAME
    source = RegistryProxy(settings.registry_url, settings.token_file, digest, staging)
    patience = Patience(settings.patience_seconds, time.monotonic, time.sleep)
    try:
        deliver_when_available(source, staging, destination, patience)
    except ArtifactRefused as refused:
        _end(str(refused), _REFUSED)
    except ArtifactUnavailable as unavailable:
        _end(f"Not within {settings.patience_seconds:g} s: {unavailable}", _UNREACHABLE)


def _parse_arguments() -> tuple[str, Path]:
    """Return the digest and the destination."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.fetch", description="Fetch an artifact into a directory."
    )
    parser.add_argument("source", metavar="SRC", help="isogloss://MODEL@sha256:<64 hex digits>")
    parser.add_argument("destination", metavar="DEST", type=Path, help="the directory")
    arguments = parser.parse_args()
    digest = digest_of(arguments.source)
    if digest is None:
        parser.error(f"{arguments.source} is not isogloss://MODEL@sha256:<64 hex digits>")
    return digest, arguments.destination


def _end(sentence: str, code: int) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
