"""The services of one platform, ready to be called."""

from dataclasses import dataclass
from typing import Self

from isogloss.adapters.http import Service
from isogloss.adapters.ways import FixedWay, Way
from isogloss.addresses import remembered_addresses
from isogloss.clients.drift_monitor import DriftMonitor
from isogloss.clients.gateway import Gateway
from isogloss.clients.registry_proxy import RegistryProxy
from isogloss.clients.rollout_controller import RolloutController
from isogloss.files import read_needed
from isogloss.homes import Home

SERVICES = ("registry-proxy", "rollout-controller", "drift-monitor")


@dataclass(frozen=True)
class Connections:
    """Clients with the operator's token, and the way that a load's labels go."""

    registry: RegistryProxy
    controller: RolloutController
    drift: DriftMonitor
    labels: Way
    services: tuple[Service, ...]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for service in self.services:
            service.close()


def connect_along(registry: Way, controller: Way, drift: Way) -> Connections:
    """Return clients on the ways to the services; nothing is called yet."""
    ways = (registry, controller, drift)
    services = [Service(name, way) for name, way in zip(SERVICES, ways, strict=True)]
    return Connections(
        RegistryProxy(services[0]),
        RolloutController(services[1]),
        DriftMonitor(services[2]),
        drift,
        tuple(services),
    )


def connect(home: Home) -> Connections:
    """Read the home's addresses and the operator's token; nothing is called yet."""
    addresses = remembered_addresses(home)
    token = operator_token(home)
    registry, controller, drift = (FixedWay(addresses.url(name), token) for name in SERVICES)
    return connect_along(registry, controller, drift)


def gateway_of(home: Home) -> Gateway:
    """Return where this machine's users send their requests."""
    return Gateway(remembered_addresses(home).url("gateway"))


def operator_token(home: Home) -> str:
    """Return the token that people act with."""
    remedy = "isogloss up creates it; --home or ISOGLOSS_HOME names another state directory"
    return read_needed(home.token("operator"), "the operator's token", remedy).decode().strip()
