"""The gateway's address as the load generator needs it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from isogloss.clients.gateway import Gateway
from isogloss.failures import Misused


@dataclass(frozen=True)
class Address:
    """Where connections are opened, and what requests give as their host."""

    host: str
    port: int
    authority: str


def read_address(gateway: Gateway) -> Address:
    """Take a gateway's address apart; Misused where it is not plain HTTP."""
    parts = urlsplit(gateway.url)
    try:
        port = parts.port or 80
    except ValueError as error:
        raise Misused(f"the gateway's address {gateway.url}: {error}") from error
    if parts.scheme != "http" or not parts.hostname or parts.path:
        raise Misused(
            f"the gateway's address is {gateway.url}, and the load generator speaks plain HTTP: "
            "give one of its http listeners as --gateway-url http://HOST:PORT"
        )
    return Address(parts.hostname, port, gateway.host or parts.netloc)
