"""Rows kept of traffic, and the traffic that was accepted, as rows."""

from math import inf

from sqlalchemy import Connection, delete, func, select

from drift_monitor.adapters.tables import ACCEPTED, MONITORS, NULLS, TRAFFIC_DAYS, TRAFFIC_ROWS
from drift_monitor.adapters.upserts import insert_new, put
from drift_monitor.signals import ACCEPTED as ACCEPTED_SIGNALS
from drift_monitor.traffic_ports import AcceptedFile
from drift_monitor.traffic_samples import KEPT_A_DAY, TrafficDay, TrafficRow


class TrafficRows:
    """Implements `ports.Traffic` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def highest(self, version: str, day: float) -> float:
        """Return the largest priority that is still kept; infinite while there is room."""
        _, highest = self._day(version, day)
        return inf if highest is None else highest

    def keep(self, version: str, more: TrafficDay) -> None:
        """Add rows; of a day with twice enough the highest priorities go."""
        seen, before = self._day(version, more.day)
        highest = min(inf if before is None else before, more.highest)
        names = ("version", "day", *TrafficRow.__dataclass_fields__)
        rows = [(version, more.day, *vars(row).values()) for row in more.rows]
        insert_new(self._connection, TRAFFIC_ROWS, names, rows)
        if rows and self._count(version, more.day) > 2 * KEPT_A_DAY:
            highest = min(highest, self._enough(version, more.day))
        if rows and highest < inf:
            self._drop_above(version, more.day, highest)
        day = {"version": version, "day": more.day, "seen": seen + more.seen}
        put(self._connection, TRAFFIC_DAYS, day | {"highest": highest if highest < inf else None})

    def between(self, version: str, start: float, end: float) -> list[TrafficDay]:
        """Return the days that began in [start, end), oldest first."""
        of = TRAFFIC_DAYS.c
        query = (
            select(of.day, of.seen)
            .where(of.version == version, of.day >= start, of.day < end)
            .order_by(of.day)
        )
        days = self._connection.execute(query).all()
        return [TrafficDay(day, seen, self._rows(version, day)) for day, seen in days]

    def forget(self, before: float) -> None:
        """Drop days that began before a time."""
        for table in (TRAFFIC_ROWS, TRAFFIC_DAYS):
            self._connection.execute(delete(table).where(table.c.day < before))

    def _day(self, version: str, day: float) -> tuple[int, int | None]:
        of = TRAFFIC_DAYS.c
        query = select(of.seen, of.highest).where(of.version == version, of.day == day)
        row = self._connection.execute(query).first()
        return (row.seen, row.highest) if row else (0, None)

    def _rows(self, version: str, day: float) -> list[TrafficRow]:
        of = TRAFFIC_ROWS.c
        query = (
            select(of.priority, of.block, of.language, of.packed)
            .where(of.version == version, of.day == day)
            .order_by(of.priority)
        )
        return [TrafficRow(*row) for row in self._connection.execute(query)]

    def _count(self, version: str, day: float) -> int:
        of = TRAFFIC_ROWS.c
        query = select(func.count()).where(of.version == version, of.day == day)
        return int(self._connection.execute(query).scalar_one())

    def _enough(self, version: str, day: float) -> int:
        """Return the priority up to which there are enough."""
        of = TRAFFIC_ROWS.c
        query = select(of.priority).where(of.version == version, of.day == day)
        last = query.order_by(of.priority).offset(KEPT_A_DAY - 1).limit(1)
        return int(self._connection.execute(last).scalar_one())

    def _drop_above(self, version: str, day: float, highest: float) -> None:
        of = TRAFFIC_ROWS.c
        above = (of.version == version) & (of.day == day) & (of.priority > highest)
        self._connection.execute(delete(TRAFFIC_ROWS).where(above))


class AcceptedRows:
    """Implements `ports.AcceptedFiles` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, file: AcceptedFile) -> None:
        """Keep it in place of an earlier one, whose monitors and nulls go."""
        if self.sha256_of(file.version) == file.sha256:
            return
        put(self._connection, ACCEPTED, vars(file))
        run = self._connection.execute
        begun = MONITORS.c.detector.startswith(ACCEPTED_SIGNALS, autoescape=True)
        run(delete(MONITORS).where(MONITORS.c.version == file.version, begun))
        earlier = NULLS.c.part.startswith("sha256:")
        run(delete(NULLS).where(NULLS.c.version == file.version, earlier))

    def sha256_of(self, version: str) -> str | None:
        """Return which it is, None where no traffic was accepted."""
        query = select(ACCEPTED.c.sha256).where(ACCEPTED.c.version == version)
        found: str | None = self._connection.execute(query).scalar()
        return found

    def file_of(self, version: str) -> AcceptedFile | None:
        """Return it whole."""
        query = select(ACCEPTED).where(ACCEPTED.c.version == version)
        row = self._connection.execute(query).mappings().first()
        return AcceptedFile(**row) if row else None
