"""The services of one home, ready to be called."""

from dataclasses import dataclass
from typing import Self

from isogloss.adapters.http import Service
from isogloss.addresses import Addresses, remembered_addresses
from isogloss.clients.drift_monitor import DriftMonitor
from isogloss.clients.registry_proxy import RegistryProxy
from isogloss.clients.rollout_controller import RolloutController
from isogloss.files import read_needed
from isogloss.homes import Home


@dataclass(frozen=True)
class Connections:
    """Clients with the operator's token, and the gateway without one, as users have it."""

    addresses: Addresses
    registry: RegistryProxy
    controller: RolloutController
    drift: DriftMonitor
    gateway: Service
    services: tuple[Service, ...]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for service in self.services:
            service.close()


def connect(home: Home) -> Connections:
    """Read the home's addresses and the operator's token; nothing is called yet."""
    addresses = remembered_addresses(home)
    token = operator_token(home)
    services = {
        name: Service(name, addresses.url(name), token)
        for name in ("registry-proxy", "rollout-controller", "drift-monitor")
    }
    gateway = Service("the gateway", addresses.url("gateway"))
    return Connections(
        addresses,
        RegistryProxy(services["registry-proxy"]),
        RolloutController(services["rollout-controller"]),
        DriftMonitor(services["drift-monitor"]),
        gateway,
        (*services.values(), gateway),
    )


def operator_token(home: Home) -> str:
    """Return the token that people act with."""
    remedy = "isogloss up creates it; --home or ISOGLOSS_HOME names another state directory"
    return read_needed(home.token("operator"), "the operator's token", remedy).decode().strip()
