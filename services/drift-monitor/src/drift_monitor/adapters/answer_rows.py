"""Answers and labels as rows; a pairing is counted by joining them on the request id."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert

from drift_monitor.adapters.tables import ANSWERS, LABELS, VERSIONS
from drift_monitor.pairings import Pairing, Tally
from drift_monitor.ports import Answer, Version


class AnswerRows:
    """Implements `ports.Answers` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, version: Version, received_at: float, answers: Sequence[Answer]) -> None:
        """Keep answers; the first of a request id stays."""
        if answers:
            common = {"version": version.row, "received_at": received_at}
            rows = [vars(answer) | common for answer in answers]
            self._connection.execute(upsert(ANSWERS).on_conflict_do_nothing(), rows)

    def label(self, received_at: float, labels: Mapping[str, str]) -> None:
        """Keep labels by request id; the last one stays."""
        statement = upsert(LABELS)
        replacing = statement.on_conflict_do_update(
            index_elements=["request_id"], set_={"label": statement.excluded.label}
        )
        rows = [
            {"request_id": request_id, "label": label, "received_at": received_at}
            for request_id, label in labels.items()
        ]
        if rows:
            self._connection.execute(replacing, rows)

    def tally(self, pairing: Pairing, settled_before: float) -> list[Tally]:
        """Count a pairing per length Slice."""
        baseline = self._version(pairing.model, pairing.baseline)
        candidate = self._version(pairing.model, pairing.candidate)
        if baseline is None:
            return []
        known_labels = json.loads(baseline.labels)
        candidate_row = candidate.row if candidate else -1
        query = _tally_query(pairing, baseline.row, candidate_row, settled_before, known_labels)
        rows = self._connection.execute(query)
        return [Tally(row[0], *(int(count or 0) for count in row[1:])) for row in rows]

    def count(self, version: Version) -> int:
        """Return how many answers of a version are kept."""
        query = select(func.count()).where(ANSWERS.c.version == version.row)
        return int(self._connection.execute(query).scalar_one())

    def _version(self, model: str, digest: str) -> Any:
        query = select(VERSIONS).where(VERSIONS.c.model == model, VERSIONS.c.digest == digest)
        return self._connection.execute(query).first()


def _tally_query(
    pairing: Pairing, baseline: int, candidate: int, settled_before: float, labels: Sequence[str]
) -> Select[Any]:
    ours, theirs = _first_of_each_text(pairing, baseline), ANSWERS.alias("theirs")
    same_request = and_(theirs.c.request_id == ours.c.request_id, theirs.c.version == candidate)
    # A label that no answer can have says nothing about who is right.
    labelled = and_(LABELS.c.request_id == ours.c.request_id, LABELS.c.label.in_(labels))
    paired = theirs.c.request_id.is_not(None)
    won = and_(theirs.c.label == LABELS.c.label, ours.c.label != LABELS.c.label)
    lost = and_(theirs.c.label != LABELS.c.label, ours.c.label == LABELS.c.label)
    return (
        select(
            ours.c.length_slice,
            func.count(),
            _number(paired),
            _number(theirs.c.label != ours.c.label),
            _number(and_(paired, LABELS.c.label.is_not(None))),
            _number(won),
            _number(lost),
        )
        .select_from(ours.outerjoin(theirs, same_request).outerjoin(LABELS, labelled))
        .where(ours.c.copy == 1, or_(paired, ours.c.received_at < settled_before))
        .group_by(ours.c.length_slice)
        .order_by(ours.c.length_slice)
    )


def _first_of_each_text(pairing: Pairing, baseline: int) -> Any:
    """Number the copies of each text: one caller repeating itself is one observation."""
    text = func.coalesce(func.nullif(ANSWERS.c.fingerprint, ""), ANSWERS.c.request_id)
    order = (ANSWERS.c.time, ANSWERS.c.request_id)
    copies = func.row_number().over(partition_by=text, order_by=order).label("copy")
    query = select(ANSWERS, copies).where(
        ANSWERS.c.version == baseline, ANSWERS.c.time >= pairing.since
    )
    if pairing.until is not None:
        query = query.where(ANSWERS.c.time < pairing.until)
    return query.subquery()


def _number(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))
