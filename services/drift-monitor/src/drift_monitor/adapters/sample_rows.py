"""Rows drawn for labelling; a row's truth is joined to it on the request id."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from drift_monitor.adapters.tables import DRAWN, LABELS
from drift_monitor.adapters.upserts import insert_into
from drift_monitor.labelling import KEPT, Candidate, Drawn


class SampleRows:
    """Implements `ports.Sample` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def offer(self, version: str, cohort: float, candidates: Sequence[Candidate]) -> None:
        """Keep candidates by request id; of a stratum with twice enough the highest go."""
        if not candidates:
            return
        of_cohort = {"version": version, "cohort": cohort}
        rows = [vars(c) | of_cohort | {"slices": _written(c.slices)} for c in candidates]
        insert = insert_into(self._connection, DRAWN).on_conflict_do_nothing()
        self._connection.execute(insert, rows)
        for stratum, count in self._counts(version, cohort):
            if count > 2 * KEPT:
                self._trim(version, cohort, stratum)

    def full_strata(self, version: str, cohort: float) -> dict[int, int]:
        """Return the largest priority kept of each stratum that has enough candidates."""
        query = (
            select(DRAWN.c.stratum, func.max(DRAWN.c.priority).label("highest"))
            .where(_of(version, cohort))
            .group_by(DRAWN.c.stratum)
            .having(func.count() >= KEPT)
        )
        return {row.stratum: row.highest for row in self._connection.execute(query)}

    def open_cohorts(self) -> list[tuple[str, float]]:
        """Return (version, cohort) of those whose list is not made yet."""
        query = select(DRAWN.c.version, DRAWN.c.cohort).where(DRAWN.c.probability.is_(None))
        rows = self._connection.execute(query.distinct().order_by(DRAWN.c.cohort))
        return [(row.version, row.cohort) for row in rows]

    def candidates(self, version: str, cohort: float) -> list[Candidate]:
        """Return the candidates of an open cohort."""
        query = select(DRAWN).where(_of(version, cohort), DRAWN.c.probability.is_(None))
        names = Candidate.__dataclass_fields__
        return [
            Candidate(**{name: row[name] for name in names} | {"slices": _read(row["slices"])})
            for row in self._connection.execute(query).mappings()
        ]

    def close(self, version: str, cohort: float, chosen: Mapping[str, float]) -> None:
        """Make the list: those chosen get their probability, the others go."""
        of_cohort = _of(version, cohort)
        if chosen:
            set_one = (
                update(DRAWN)
                .where(of_cohort, DRAWN.c.request_id == bindparam("chosen"))
                .values(probability=bindparam("with"))
            )
            rows = [{"chosen": request_id, "with": p} for request_id, p in chosen.items()]
            self._connection.execute(set_one, rows)
        self._connection.execute(delete(DRAWN).where(of_cohort, DRAWN.c.probability.is_(None)))

    def drawn(self, version: str, since: float) -> list[Drawn]:
        """Return what cohorts that began at `since` or later drew, by their time of labelling."""
        query = (
            select(DRAWN, LABELS.c.label.label("truth"), LABELS.c.received_at.label("labelled_at"))
            .select_from(DRAWN.outerjoin(LABELS, LABELS.c.request_id == DRAWN.c.request_id))
            .where(
                DRAWN.c.version == version,
                DRAWN.c.cohort >= since,
                DRAWN.c.probability.is_not(None),
            )
            .order_by(LABELS.c.received_at, DRAWN.c.priority)
        )
        names = Drawn.__dataclass_fields__
        return [
            Drawn(**{name: row[name] for name in names} | {"slices": _read(row["slices"])})
            for row in self._connection.execute(query).mappings()
        ]

    def forget(self, before: float) -> None:
        """Drop cohorts that began before a time."""
        self._connection.execute(delete(DRAWN).where(DRAWN.c.cohort < before))

    def _counts(self, version: str, cohort: float) -> list[tuple[int, int]]:
        query = select(DRAWN.c.stratum, func.count()).where(_of(version, cohort))
        rows = self._connection.execute(query.group_by(DRAWN.c.stratum))
        return [(stratum, count) for stratum, count in rows]

    def _trim(self, version: str, cohort: float, stratum: int) -> None:
        within = _of(version, cohort) & (DRAWN.c.stratum == stratum)
        last_kept = (
            select(DRAWN.c.priority)
            .where(within)
            .order_by(DRAWN.c.priority)
            .offset(KEPT - 1)
            .limit(1)
        )
        highest = self._connection.execute(last_kept).scalar_one()
        self._connection.execute(delete(DRAWN).where(within, DRAWN.c.priority > highest))


def _of(version: str, cohort: float) -> Any:
    return (DRAWN.c.version == version) & (DRAWN.c.cohort == cohort)


@lru_cache(4096)
def _written(slices: tuple[str, ...]) -> str:
    return json.dumps(slices)


def _read(slices: str) -> tuple[str, ...]:
    return tuple(json.loads(slices))
