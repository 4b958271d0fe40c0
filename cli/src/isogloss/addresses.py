"""Which port each process of the local platform listens on, and how a person changes it.

`up` decides once and remembers it in the home, so that every other command needs the home only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from isogloss.failures import Misused
from isogloss.files import read_json, write_json
from isogloss.homes import Home

DEFAULT_PORTS: Mapping[str, int] = {
    "gateway": 8080,
    "envoy-admin": 9901,
    "registry-proxy": 8100,
    "drift-monitor": 8200,
    "rollout-controller": 8300,
    "mlflow": 5001,
    "predictors": 8400,
}
"""`predictors` is where the rollout-controller starts to look for free ports."""


@dataclass(frozen=True)
class PortWishes:
    """What a person asked for: all ports moved by `offset`, or all in a row `start_at` one
    (None: no), and single ones by name.
    """

    offset: int = 0
    start_at: int | None = None
    single: Mapping[str, int] | None = None

    def stated(self) -> bool:
        """Tell whether anything was asked for at all."""
        return bool(self.offset or self.start_at or self.single)


@dataclass(frozen=True)
class Addresses:
    """The ports of one platform; everything listens on the loopback address only."""

    ports: Mapping[str, int]
    host: str = "127.0.0.1"

    def url(self, name: str) -> str:
        """Return the base address of one process."""
        return f"http://{self.host}:{self.ports[name]}"


def choose_addresses(wishes: PortWishes) -> Addresses:
    """Decide all ports; Misused names an unknown name or a port outside 1024-65535."""
    ports = {name: port + wishes.offset for name, port in DEFAULT_PORTS.items()}
    if wishes.start_at is not None:
        ports = {name: wishes.start_at + index for index, name in enumerate(DEFAULT_PORTS)}
    for name, port in (wishes.single or {}).items():
        if name not in ports:
            raise Misused(f"--port {name}={port}: no such port; there are {', '.join(ports)}")
        ports[name] = port
    for name, port in ports.items():
        if not 1024 <= port <= 65535:
            raise Misused(f"port {port} of {name} is outside 1024-65535; choose with --port")
    return Addresses(ports)


def read_single_ports(texts: list[str]) -> dict[str, int]:
    """Read `NAME=NUMBER` options."""
    wishes = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdecimal():
            raise Misused(f"--port {text}: write it as NAME=NUMBER, such as gateway=8081")
        wishes[name] = int(number)
    return wishes


def remembered_addresses(home: Home) -> Addresses:
    """Return the ports that `up` chose for this home, else the defaults."""
    document = read_json(home.addresses) or {}
    return Addresses({**DEFAULT_PORTS, **document})


def remember_addresses(home: Home, addresses: Addresses) -> None:
    """Write the ports down for every later command."""
    write_json(home.addresses, dict(addresses.ports))
