"""How far each receiver has been told, beside the entries themselves, which are the events."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Select, and_, delete, func, insert, or_, select, update

from lifecycle.ledger import LedgerEntry
from registry_proxy.adapters.ledger_database import LedgerDatabase
from registry_proxy.adapters.ledger_tables import ENTRIES, HEAD, PROGRESS, RECEIVERS
from registry_proxy.adapters.sql_ledger import entry_of
from registry_proxy.events.ports import OutboxUnavailable, Receiver
from registry_proxy.ledger.ports import LedgerUnavailable


class SqlOutbox:
    """Implements `events.ports.Outbox` on the ledger's database."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def join(self, receiver: Receiver) -> None:
        """Start a receiver that is not known yet."""
        with self._writing() as connection:
            known = select(RECEIVERS.c.name).where(RECEIVERS.c.name == receiver.name)
            if connection.execute(known).first():
                return
            told = 0 if receiver.from_start else connection.execute(select(HEAD.c.seq)).scalar_one()
            row = {"name": receiver.name, "told": told, "teller": "", "teller_until": 0.0}
            connection.execute(insert(RECEIVERS), row)

    def lease(self, receiver: str, teller: str, until: float, now: float) -> bool:
        """Take or keep the lease, and note below what all is told, so as not to read it again."""
        free = or_(RECEIVERS.c.teller == teller, RECEIVERS.c.teller_until <= now)
        with self._writing() as connection:
            taken = connection.execute(
                update(RECEIVERS)
                .where(RECEIVERS.c.name == receiver, free)
                .values(teller=teller, teller_until=until)
            )
            if not taken.rowcount:
                return False
            _gather(connection, receiver)
        return True

    def pending(self, receiver: str, without: Collection[str], limit: int) -> Sequence[LedgerEntry]:
        """Read the oldest entries that are not told, up to `limit`."""
        try:
            with self._database.reading() as connection:
                query = _untold(receiver).where(ENTRIES.c.model.not_in(without)).limit(limit)
                return [entry_of(row) for row in connection.execute(query).mappings()]
        except LedgerUnavailable as unavailable:
            raise OutboxUnavailable(str(unavailable)) from unavailable

    def told(self, receiver: str, entry: LedgerEntry) -> None:
        """Note the entry."""
        mine = (PROGRESS.c.receiver == receiver, PROGRESS.c.model == entry.model)
        with self._writing() as connection:
            noted = connection.execute(update(PROGRESS).where(*mine).values(told=entry.seq))
            if not noted.rowcount:
                row = {"receiver": receiver, "model": entry.model, "told": entry.seq}
                connection.execute(insert(PROGRESS), row)

    def release(self, teller: str) -> None:
        """Let go of all leases."""
        mine = update(RECEIVERS).where(RECEIVERS.c.teller == teller)
        with self._writing() as connection:
            connection.execute(mine.values(teller="", teller_until=0.0))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self._database.writing() as connection:
                yield connection
        except LedgerUnavailable as unavailable:
            raise OutboxUnavailable(str(unavailable)) from unavailable


def _untold(receiver: str) -> Select[tuple[object, ...]]:
    reached = select(RECEIVERS.c.told).where(RECEIVERS.c.name == receiver).scalar_subquery()
    progress = and_(PROGRESS.c.receiver == receiver, PROGRESS.c.model == ENTRIES.c.model)
    return (
        select(ENTRIES)
        .outerjoin(PROGRESS, progress)
        .where(ENTRIES.c.seq > reached, ENTRIES.c.seq > func.coalesce(PROGRESS.c.told, 0))
        .order_by(ENTRIES.c.seq)
    )


def _gather(connection: Connection, receiver: str) -> None:
    """Move the mark below which all is told, and forget what only said the same."""
    first = connection.execute(_untold(receiver).limit(1)).mappings().first()
    head = connection.execute(select(HEAD.c.seq)).scalar_one()
    told = first["seq"] - 1 if first else head
    mine = RECEIVERS.c.name == receiver
    connection.execute(update(RECEIVERS).where(mine).values(told=told))
    old = (PROGRESS.c.receiver == receiver, PROGRESS.c.told <= told)
    connection.execute(delete(PROGRESS).where(*old))
