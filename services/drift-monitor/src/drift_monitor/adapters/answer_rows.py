"""Answers and labels as rows; a pairing is counted by joining them on the request id."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, delete, func, or_, select

from drift_monitor.adapters.tables import ANSWERS, LABELS, VERSIONS
from drift_monitor.adapters.upserts import insert_into, insert_new
from drift_monitor.answers import Answer
from drift_monitor.mirrored import Span
from drift_monitor.noise import Repeats
from drift_monitor.pairings import ALL_REQUESTS, Pairing
from drift_monitor.ports import Version
from drift_monitor.tallies import Cell, Tallies, add_up

_NOBODY = -1
"""The row of a version that has not answered anything yet."""
_SECOND = 2


class AnswerRows:
    """Implements `ports.Answers` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, version: Version, received_at: float, answers: Sequence[Answer]) -> None:
        """Keep answers; the first of a request id stays."""
        names = (*Answer._fields, "version", "received_at")
        rows = [
            (*answer[:-1], _written(answer[-1]), version.row, received_at) for answer in answers
        ]
        insert_new(self._connection, ANSWERS, names, rows)

    def label(self, received_at: float, labels: Mapping[str, str]) -> None:
        """Keep labels by request id; the last one stays."""
        statement = insert_into(self._connection, LABELS)
        replacing = statement.on_conflict_do_update(
            index_elements=["request_id"], set_={"label": statement.excluded.label}
        )
        rows = [
            {"request_id": request_id, "label": label, "received_at": received_at}
            for request_id, label in labels.items()
        ]
        if rows:
            self._connection.execute(replacing, rows)

    def tally(self, pairing: Pairing, span: Span) -> Tallies:
        """Count a pairing over a Span."""
        baseline = self._version(pairing.model, pairing.baseline)
        candidate = self._version(pairing.model, pairing.candidate)
        if baseline is None:
            return add_up(span, (), 0)
        rows = (baseline.row, candidate.row if candidate else _NOBODY)
        cells = self._connection.execute(_cells(rows, span, json.loads(baseline.labels)))
        reported = self._connection.execute(_reported(rows, span)).scalar_one()
        return add_up(span, (_cell(row) for row in cells), int(reported))

    def count(self, version: Version) -> int:
        """Return how many answers of a version are kept."""
        query = select(func.count()).where(ANSWERS.c.version == version.row)
        return int(self._connection.execute(query).scalar_one())

    def repeats(self, model: str, digest: str, since: float) -> Repeats:
        """Count a version's answered texts, and those answered twice."""
        version = self._version(model, digest)
        if version is None:
            return Repeats(0, 0, 0, 0)
        copies = _copies(version.row, since)
        again = copies.alias("again")
        same = and_(again.c.fingerprint == copies.c.fingerprint, again.c.copy == _SECOND)
        first = copies.c.copy == 1
        query = select(
            func.count(),
            func.coalesce(func.sum(_flag(first)), 0),
            func.coalesce(func.sum(_flag(and_(first, again.c.label.is_not(None)))), 0),
            func.coalesce(func.sum(_flag(and_(first, again.c.label != copies.c.label))), 0),
        ).select_from(copies.outerjoin(again, same))
        return Repeats(*(int(count) for count in self._connection.execute(query).one()))

    def labels_since(self, since: float) -> int:
        """Return how many labels came from `since` on."""
        query = select(func.count()).select_from(LABELS).where(LABELS.c.received_at >= since)
        return int(self._connection.execute(query).scalar_one())

    def forget_unmirrored(self, pairing: Pairing, received_before: float) -> None:
        """Drop the Baseline's answers that cannot become pairs, where only some are mirrored."""
        if pairing.mirror_percent == ALL_REQUESTS or pairing.until is not None:
            return
        baseline = self._version(pairing.model, pairing.baseline)
        candidate = self._version(pairing.model, pairing.candidate)
        if baseline is None or candidate is None:
            return
        old = and_(ANSWERS.c.version == baseline.row, ANSWERS.c.received_at < received_before)
        told = _report(candidate.row, ANSWERS.c.request).exists()
        self._connection.execute(delete(ANSWERS).where(old, ~told))

    def _version(self, model: str, digest: str) -> Any:
        query = select(VERSIONS).where(VERSIONS.c.model == model, VERSIONS.c.digest == digest)
        return self._connection.execute(query).first()


@lru_cache(4096)
def _written(slices: tuple[str, ...]) -> str:
    return json.dumps(slices)


def _cells(versions: tuple[int, int], span: Span, labels: Sequence[str]) -> Select[Any]:
    """Count alike rows of the Baseline; retries and repeated texts are one observation."""
    ours, theirs = _first_of_each_text(versions, span), ANSWERS.alias("theirs")
    same_request = and_(theirs.c.version == versions[1], theirs.c.request == ours.c.request)
    same_text = and_(same_request, theirs.c.request_id == ours.c.request_id)
    # A label that no answer can have says nothing about who is right.
    labelled = and_(LABELS.c.request_id == ours.c.request_id, LABELS.c.label.in_(labels))
    answered = ours.c.outcome == "ok"
    in_time = theirs.c.time <= ours.c.time + span.late_after
    paired = and_(answered, theirs.c.outcome == "ok", in_time)
    timed = and_(ours.c.first, paired)
    looks = (
        ours.c.slices,
        _flag(answered),
        _flag(ours.c.report.is_not(None)),
        _flag(ours.c.report == "ok"),
        _flag(paired),
        _flag(theirs.c.label == ours.c.label),
        case((LABELS.c.label.is_not(None), _flag(ours.c.label == LABELS.c.label))),
        case((LABELS.c.label.is_not(None), _flag(theirs.c.label == LABELS.c.label))),
        _flag(ours.c.first),
        case((timed, ours.c.latency_bucket), else_=0),
        case((timed, theirs.c.latency_bucket), else_=0),
    )
    named = [look.label(f"look_{place}") for place, look in enumerate(looks)]
    joined = ours.outerjoin(theirs, same_text).outerjoin(LABELS, labelled)
    query = select(func.count(), *named).select_from(joined).where(ours.c.copy == 1)
    return query.group_by(*named)


def _cell(row: Row[Any]) -> Cell:
    count, slices, answered, reported, candidate_ok, paired, agrees, *others = tuple(row)
    right, candidate_right, first, ours, theirs = others
    return Cell(
        slices=tuple(json.loads(slices)),
        count=int(count),
        answered=bool(answered),
        reported=bool(reported),
        candidate_ok=bool(candidate_ok),
        paired=bool(paired),
        agrees=bool(agrees),
        right=None if right is None else bool(right),
        candidate_right=None if candidate_right is None else bool(candidate_right),
        first=bool(first),
        buckets=(int(ours), int(theirs)),
    )


def _first_of_each_text(versions: tuple[int, int], span: Span) -> Any:
    """Number the copies of each text among the rows of the Baseline that count."""
    baseline, candidate = versions
    report = _report(candidate, ANSWERS.c.request).scalar_subquery()
    rows = (
        select(ANSWERS, report.label("report"))
        .where(ANSWERS.c.version == baseline, ANSWERS.c.outcome != "rejected")
        .where(_within(ANSWERS.c.time, span))
        .subquery()
    )
    text = func.coalesce(func.nullif(rows.c.fingerprint, ""), rows.c.request_id)
    order = (rows.c.time, rows.c.request_id)
    copies = func.row_number().over(partition_by=text, order_by=order).label("copy")
    counts: Any = rows.c.report.is_not(None)
    if not span.partial:
        counts = or_(counts, rows.c.received_at < span.settled_before)
    return select(rows, copies).where(counts).subquery("ours")


def _copies(version: int, since: float) -> Any:
    """Number the answers to each text that can be told from others."""
    known = and_(ANSWERS.c.outcome == "ok", ANSWERS.c.fingerprint != "")
    order = (ANSWERS.c.time, ANSWERS.c.request_id)
    copy = func.row_number().over(partition_by=ANSWERS.c.fingerprint, order_by=order)
    query = select(ANSWERS.c.fingerprint, ANSWERS.c.label, copy.label("copy")).where(
        ANSWERS.c.version == version, ANSWERS.c.received_at >= since, known
    )
    return query.cte("copies")


def _report(candidate: int, request: Any) -> Any:
    """Select what the Candidate said became of a request, which all its rows say alike."""
    rows = ANSWERS.alias("report")
    query = select(rows.c.outcome).where(rows.c.version == candidate, rows.c.request == request)
    return query.limit(1).correlate(ANSWERS)


def _reported(versions: tuple[int, int], span: Span) -> Select[Any]:
    """Count the requests that the Candidate told of, by the time the Baseline answered them."""
    ours, theirs = ANSWERS.alias("ours"), ANSWERS.alias("theirs")
    same = and_(ours.c.version == versions[0], ours.c.request == theirs.c.request, ours.c.first)
    time = func.coalesce(ours.c.time, theirs.c.time)
    query = select(func.count()).select_from(theirs.outerjoin(ours, same))
    return query.where(theirs.c.version == versions[1], theirs.c.first, _within(time, span))


def _within(time: Any, span: Span) -> Any:
    since = time >= span.since
    return since if span.until is None else and_(since, time < span.until)


def _flag(condition: Any) -> Any:
    return case((condition, 1), else_=0)
