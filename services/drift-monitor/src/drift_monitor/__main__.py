"""Starts the process: `python -m drift_monitor`."""

import sys

from drift_monitor.app import create_app
from drift_monitor.ports import StoreUnavailable
from drift_monitor.settings import DriftMonitorSettings
from servicekit.callers import FileRefused
from servicekit.callers_settings import ClusterUnknown
from servicekit.logs import configure_logs
from servicekit.process import Health, Listener, run_apps
from servicekit.settings import env_names, load_settings


def main() -> None:
    """Serve until a signal."""
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


if __name__ == "__main__":
    main()
