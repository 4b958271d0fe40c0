"""Starts the process: `python -m rollout_controller`."""

import sys

from rollout_controller.app import build
from rollout_controller.ports import GatewayUnreachable
from rollout_controller.settings import RolloutControllerSettings
from servicekit.callers import FileRefused
from servicekit.callers_settings import ClusterUnknown
from servicekit.logs import configure_logs
from servicekit.process import Listener, run_apps
from servicekit.settings import env_names, load_settings


def main() -> None:
    """Serve until a signal; a fault of the set-up ends the process with one sentence."""
    settings = load_settings(RolloutControllerSettings)
    configure_logs("rollout-controller", settings.log_level)
    try:
        service = build(settings)
    except (FileRefused, ClusterUnknown, GatewayUnreachable, OSError) as refused:
        sys.stderr.write(f"The rollout controller cannot start: {refused}\n")
        sys.exit(2)
    setting = env_names(RolloutControllerSettings)["port"]
    listener = Listener(service.app, settings.host, settings.port, setting)
    run_apps([listener], service.health, settings.shutdown_delay_seconds)


if __name__ == "__main__":
    main()
