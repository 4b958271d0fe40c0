"""Progress, pairings and versions as rows."""

import json
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, insert, select, update

from drift_monitor.adapters.tables import BATCHES, LEASES, MARKS, NOISE, PAIRINGS, VERSIONS
from drift_monitor.adapters.upserts import insert_new, put
from drift_monitor.noise import Noise
from drift_monitor.pairings import Pairing
from drift_monitor.ports import Version

_DECIDES = "decides"


class ProgressRows:
    """Implements `ports.Progress` on one connection, for one replica's journal."""

    def __init__(self, connection: Connection, journal: str) -> None:
        self._connection = connection
        self._journal = journal

    def applied(self) -> int:
        """Return the number of the last record that is in the tables."""
        mine = select(MARKS.c.applied).where(MARKS.c.journal == self._journal)
        return int(self._connection.execute(mine).scalar() or 0)

    def advance(self, seq: int) -> None:
        """Set that number."""
        put(self._connection, MARKS, {"journal": self._journal, "applied": seq})

    def note_new(self, batches: Mapping[str, float]) -> set[str]:
        """Note batch ids with their times of arrival; return those that nobody noted before."""
        known = select(BATCHES.c.batch_id).where(BATCHES.c.batch_id.in_(list(batches)))
        new = set(batches) - set(self._connection.execute(known).scalars())
        rows = [(batch_id, batches[batch_id]) for batch_id in new]
        insert_new(self._connection, BATCHES, ("batch_id", "received_at"), rows)
        return new

    def recent_batches(self, count: int) -> list[str]:
        """Return the newest batch ids, oldest first."""
        newest = select(BATCHES.c.batch_id).order_by(BATCHES.c.received_at.desc()).limit(count)
        return list(self._connection.execute(newest).scalars())[::-1]

    def may_decide(self, now: float, until: float) -> bool:
        """Take the lease, or keep it; False while another replica holds it."""
        held = select(LEASES).where(LEASES.c.name == _DECIDES)
        row = self._connection.execute(held).first()
        if row is not None and row.holder != self._journal and row.until > now:
            return False
        put(self._connection, LEASES, {"name": _DECIDES, "holder": self._journal, "until": until})
        return True


class RegisteredRows:
    """Implements `ports.Registered` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, pairings: Iterable[Pairing]) -> None:
        """Store pairings by model and rollout."""
        for pairing in pairings:
            put(self._connection, PAIRINGS, vars(pairing))

    def pairings(self, model: str | None = None) -> list[Pairing]:
        """Return the pairings of a model, or all, newest first."""
        query = select(PAIRINGS).order_by(PAIRINGS.c.since.desc())
        if model is not None:
            query = query.where(PAIRINGS.c.model == model)
        return [Pairing(**row) for row in self._connection.execute(query).mappings()]

    def version(self, model: str, digest: str, labels: tuple[str, ...]) -> Version:
        """Return a version's row, made when it is new."""
        known = (VERSIONS.c.model == model) & (VERSIONS.c.digest == digest)
        row = self._connection.execute(select(VERSIONS.c.row).where(known)).scalar()
        written = json.dumps(labels)
        if row is None:
            values = {"model": model, "digest": digest, "labels": written}
            made = insert(VERSIONS).values(values).returning(VERSIONS.c.row)
            row = self._connection.execute(made).scalar_one()
        elif labels:
            self._connection.execute(update(VERSIONS).where(known).values(labels=written))
        return Version(int(row), model, digest, labels)

    def versions(self, model: str | None = None) -> list[Version]:
        """Return the versions of a model, or all."""
        query = select(VERSIONS).order_by(VERSIONS.c.row)
        if model is not None:
            query = query.where(VERSIONS.c.model == model)
        return [
            Version(row.row, row.model, row.digest, tuple(json.loads(row.labels)))
            for row in self._connection.execute(query)
        ]

    def put_noise(self, noise: Noise) -> None:
        """Keep what the last A/A run of a version measured."""
        put(self._connection, NOISE, vars(noise))

    def noise(self, model: str, digest: str) -> Noise | None:
        """Return it, None where there was none."""
        query = select(NOISE).where(NOISE.c.model == model, NOISE.c.version == digest)
        row = self._connection.execute(query).mappings().first()
        return Noise(**row) if row else None
