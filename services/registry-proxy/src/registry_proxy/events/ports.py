"""What telling others needs: an outbox that remembers how far it got, and a way to them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lifecycle.ledger import LedgerEntry

Clock = Callable[[], float]
"""Seconds since the epoch, UTC."""


class OutboxUnavailable(Exception):
    """How far we got cannot be read or noted now; the text says why."""


class ReceiverSilent(Exception):
    """Nobody answers at the receiver's address; the text says why."""


@dataclass(frozen=True)
class Receiver:
    """Who is told, where, and with which secrets that is proven: the newest first."""

    name: str
    url: str
    secrets: tuple[bytes, ...]
    from_start: bool


@dataclass(frozen=True)
class Message:
    """One event as it is sent."""

    body: bytes
    headers: Mapping[str, str]


class Outbox(Protocol):
    """The ledger's entries, which are the events: an entry that is written is to be told. Every
    method may raise OutboxUnavailable.
    """

    def join(self, receiver: Receiver) -> None:
        """Note a receiver that was not there before, at the ledger's end or its start."""
        ...

    def lease(self, receiver: str, teller: str, until: float, now: float) -> bool:
        """Become, or stay, the only one who tells this receiver; False where another one is."""
        ...

    def release(self, teller: str) -> None:
        """Let others tell what this process told."""
        ...

    def pending(self, receiver: str, without: Collection[str], limit: int) -> Sequence[LedgerEntry]:
        """Return the oldest entries that it was not told of, but those of some models."""
        ...

    def told(self, receiver: str, entry: LedgerEntry) -> None:
        """Note that it knows this entry, and so all before it of the same model."""
        ...


class Post(Protocol):
    """The way to the receivers."""

    async def send(self, url: str, message: Message) -> int:
        """Send and return the answer's status. Raises ReceiverSilent."""
        ...
