"""Starts the process: `python -m drift_monitor`; `python -m drift_monitor verify` tries it out."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from drift_monitor.adapters.databases import open_sqlite
from drift_monitor.app import create_app
from drift_monitor.ports import ReferenceRefused, StoreUnavailable
from drift_monitor.settings import DriftMonitorSettings
from drift_monitor.verify import MONTH_HOURS, Trial, verify
from servicekit.callers import FileRefused
from servicekit.callers_settings import ClusterUnknown
from servicekit.logs import configure_logs
from servicekit.process import Health, Listener, run_apps
from servicekit.settings import env_names, load_settings


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal, or verify and end."""
    if arguments:
        sys.exit(_verify(arguments))
    settings = load_settings(DriftMonitorSettings)
    configure_logs("drift-monitor", settings.log_level)
    health = Health()
    try:
        app = create_app(settings, health)
    except (ClusterUnknown, FileRefused, StoreUnavailable, OSError) as refused:
        sys.stderr.write(f"The drift monitor cannot start: {refused}\n")
        sys.exit(2)
    listener = Listener(app, settings.host, settings.port, env_names(DriftMonitorSettings)["port"])
    run_apps([listener], health, settings.shutdown_delay_seconds)


def _verify(arguments: Sequence[str]) -> int:
    """Print what a replay showed as JSON; 1 when it shows that a promise is not kept."""
    parser = ArgumentParser(prog="python -m drift_monitor", description=verify.__doc__)
    parser.add_argument("verify", choices=["verify"])
    parser.add_argument("reference", type=Path, help="reference.safetensors of an artifact")
    parser.add_argument("--labels", required=True, type=json.loads, help="JSON list, in order")
    parser.add_argument("--hours", type=int, default=MONTH_HOURS, help="quiet hours")
    parser.add_argument("--budget", type=float, default=1.0, help="false findings in 12 weeks")
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as directory:
        store = open_sqlite(Path(directory) / "replay.db", "replay")
        try:
            raw, labels = given.reference.read_bytes(), tuple(given.labels)
            shown = verify(store, raw, labels, Trial(given.hours, given.budget))
        except (ReferenceRefused, OSError) as refused:
            sys.stderr.write(f"Nothing to verify: {refused}\n")
            return 2
        finally:
            store.close()
    sys.stdout.write(json.dumps(shown.to_dict(), indent=2) + "\n")
    return 0 if shown.passed else 1


if __name__ == "__main__":
    main(sys.argv[1:])
