"""Starts the registry-proxy."""

import sys

from registry_proxy.app import StartRefused, build
from registry_proxy.artifacts.ports import StoreUnavailable
from registry_proxy.ledger.ports import LedgerUnavailable
from registry_proxy.settings import RegistryProxySettings
from servicekit.callers import FileRefused
from servicekit.callers_settings import ClusterUnknown
from servicekit.logs import configure_logs
from servicekit.process import Listener, run_apps
from servicekit.settings import load_settings

_REFUSALS = (ClusterUnknown, FileRefused, LedgerUnavailable, StartRefused, StoreUnavailable)


def main() -> None:
    """Run until a signal; a fault of the set-up ends the process with one sentence."""
    settings = load_settings(RegistryProxySettings)
    configure_logs("registry-proxy", settings.log_level)
    try:
        service = build(settings)
    except _REFUSALS as refused:
        sys.exit(str(refused))
    port_setting = "ISOGLOSS_REGISTRY_PROXY_PORT"
    listener = Listener(service.app, settings.host, settings.port, port_setting)
    run_apps([listener], service.health, settings.shutdown_delay_seconds)


if __name__ == "__main__":
    main()
