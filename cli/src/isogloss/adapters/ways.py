"""How a service is reached, and as whom: what differs between this machine and a cluster."""

from dataclasses import dataclass
from typing import Protocol


class Way(Protocol):
    """The way to one service; in a cluster it may break and be found anew."""

    @property
    def remedy(self) -> str:
        """What a person does when nothing answers."""

    def url(self) -> str:
        """Return the service's base address of this moment; Unreachable when there is none."""

    def token(self) -> str | None:
        """Return the caller's bearer token of this moment; None to call without one."""

    def lost(self) -> bool:
        """Be told that nothing answered; True when another try may be answered."""

    def close(self) -> None:
        """Give back whatever the way is made of."""


@dataclass(frozen=True)
class FixedWay:
    """An address that stays what it is while a command runs."""

    address: str
    bearer: str | None = None
    remedy: str = "isogloss status shows what runs, isogloss up starts it"

    def url(self) -> str:
        """Return the address."""
        return self.address

    def token(self) -> str | None:
        """Return the token."""
        return self.bearer

    def lost(self) -> bool:
        """Say that another try is the same try."""
        return False

    def close(self) -> None:
        """Give back nothing."""
