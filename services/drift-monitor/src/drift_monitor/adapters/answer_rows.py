"""Answers and labels as rows; a pairing is counted by joining them on the request id."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    union,
    union_all,
)

from drift_monitor.adapters.tables import ANSWERS, DRAWN, HELD, LABELS, VERSIONS
from drift_monitor.adapters.upserts import insert_into, insert_new
from drift_monitor.answers import Answer, AnswerColumns
from drift_monitor.mirrored import Span
from drift_monitor.noise import Repeats
from drift_monitor.pairings import ALL_REQUESTS, Pairing
from drift_monitor.ports import Version
from drift_monitor.tallies import Cell, Tallies, add_up

_NOBODY = -1
"""The row of a version that has not answered anything yet."""
_SECOND = 2
_CELL, _OUR_LATENCY, _THEIR_LATENCY = range(3)
_LOOKS = 9
"""Columns in which rows of one cell are alike: see `tallies.Cell`."""


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

    def hold(self, version: Version, received_at: float, columns: AnswerColumns) -> None:
        """Keep a batch's answers packed."""
        values = (version.row, received_at, len(columns), columns.pack())
        insert_new(self._connection, HELD, ("version", "received_at", "n", "packed"), [values])

    def drop_held(self, version: Version, most: int) -> None:
        """Drop the oldest batches that are held beyond `most` rows."""
        newer = func.sum(HELD.c.n).over(order_by=HELD.c.id.desc(), rows=(None, -1))
        of_version = HELD.c.version == version.row
        held = select(HELD.c.id, newer.label("newer")).where(of_version).subquery()
        last = select(func.max(held.c.id)).where(held.c.newer >= most).scalar_subquery()
        self._connection.execute(delete(HELD).where(of_version, HELD.c.id <= last))

    def unpack_held(self, model: str, digest: str) -> None:
        """Make rows of what is held of a version."""
        found = self._version(model, digest)
        if found is None:
            return
        version = Version(found.row, model, digest, tuple(json.loads(found.labels)))
        held = select(HELD.c.received_at, HELD.c.packed).where(HELD.c.version == version.row)
        for row in self._connection.execute(held.order_by(HELD.c.id)):
            self.add(version, row.received_at, AnswerColumns.unpack(row.packed).rows())
        self._connection.execute(delete(HELD).where(HELD.c.version == version.row))

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
            return add_up(span, (), 0, ({}, {}))
        rows = (baseline.row, candidate.row if candidate else _NOBODY)
        found = self._connection.execute(_counts(rows, span, json.loads(baseline.labels))).all()
        reported = self._connection.execute(_reported(rows, span)).scalar_one()
        cells = (_cell(row) for row in found if row.kind == _CELL)
        theirs, ours = (
            {int(row.look_1): int(row.rows) for row in found if row.kind == kind}
            for kind in (_THEIR_LATENCY, _OUR_LATENCY)
        )
        return add_up(span, cells, int(reported), (theirs, ours))

    def count(self, version: Version, received_from: float = 0.0) -> int:
        """Return how many answers of a version are kept, packed or not, that came from then on."""
        packed = func.coalesce(func.sum(HELD.c.n), 0)
        of_version = and_(HELD.c.version == version.row, HELD.c.received_at >= received_from)
        queries = (_arrived(version.row, received_from), select(packed).where(of_version))
        return sum(int(self._connection.execute(query).scalar_one()) for query in queries)

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

    def unused(self, request_ids: Collection[str]) -> int:
        """Count the requests that are on no list and among no rows."""
        ids = set(request_ids)
        requests = {name.partition("#")[0] for name in ids}
        listed = select(DRAWN.c.request_id).where(DRAWN.c.request_id.in_(ids))
        answered = select(ANSWERS.c.request_id).where(
            # By the primary key, which begins with the version.
            ANSWERS.c.version.in_(select(VERSIONS.c.row)),
            ANSWERS.c.request.in_(requests),
            ANSWERS.c.request_id.in_(ids),
        )
        used = self._connection.execute(union(listed, answered)).scalars()
        return len(ids.difference(used))

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


def _arrived(version: int, received_from: float) -> Select[Any]:
    # The sum keeps SQLite from the key, by which it would read all that a version ever kept.
    of_version = ANSWERS.c.version + 0 == version
    return select(func.count()).where(of_version, ANSWERS.c.received_at >= received_from)


@lru_cache(4096)
def _written(slices: tuple[str, ...]) -> str:
    return json.dumps(slices)


def _counts(versions: tuple[int, int], span: Span, labels: Sequence[str]) -> CompoundSelect[Any]:
    """Count alike rows of the Baseline as cells, and both versions' latencies of the pairs."""
    rows = _compared(versions, span, labels)
    looks = [rows.c[f"look_{place}"] for place in range(_LOOKS)]
    cells = select(literal(_CELL).label("kind"), func.count().label("rows"), *looks)
    latencies = (
        select(literal(kind), func.count(), null(), bucket, *[null()] * (_LOOKS - 2))
        .where(rows.c.timed == 1)
        .group_by(bucket)
        for kind, bucket in ((_OUR_LATENCY, rows.c.ours), (_THEIR_LATENCY, rows.c.theirs))
    )
    return union_all(cells.group_by(*looks), *latencies)


def _compared(versions: tuple[int, int], span: Span, labels: Sequence[str]) -> Any:
    """Put the Candidate's row, and the label, beside each row of the Baseline that counts."""
    ours, theirs = _first_of_each_text(versions, span), ANSWERS.alias("theirs")
    same_text = and_(
        theirs.c.version == versions[1],
        theirs.c.request == ours.c.request,
        theirs.c.request_id == ours.c.request_id,
    )
    # A label that no answer can have says nothing about who is right.
    labelled = and_(LABELS.c.request_id == ours.c.request_id, LABELS.c.label.in_(labels))
    answered = ours.c.outcome == "ok"
    in_time = theirs.c.time <= ours.c.time + span.late_after
    paired = and_(answered, theirs.c.outcome == "ok", in_time)
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
    )
    named = [look.label(f"look_{place}") for place, look in enumerate(looks)]
    timed = _flag(and_(ours.c.first, paired)).label("timed")
    buckets = (ours.c.latency_bucket.label("ours"), theirs.c.latency_bucket.label("theirs"))
    joined = ours.outerjoin(theirs, same_text).outerjoin(LABELS, labelled)
    query = select(*named, timed, *buckets).select_from(joined).where(ours.c.copy == 1)
    return query.cte("compared")


def _cell(row: Row[Any]) -> Cell:
    answered, reported, candidate_ok, paired, agrees, *others = tuple(row)[3:]
    right, candidate_right, first = others
    return Cell(
        slices=tuple(json.loads(row.look_0)),
        count=int(row.rows),
        answered=bool(answered),
        reported=bool(reported),
        candidate_ok=bool(candidate_ok),
        paired=bool(paired),
        agrees=bool(agrees),
        right=None if right is None else bool(right),
        candidate_right=None if candidate_right is None else bool(candidate_right),
        first=bool(first),
    )


def _first_of_each_text(versions: tuple[int, int], span: Span) -> Any:
    """Number the copies of each text among the rows of the Baseline that count, each with what the
    Candidate said became of the request, which all its rows say alike.
    """
    rows, report = ANSWERS.alias("rows"), ANSWERS.alias("report")
    same = and_(report.c.version == versions[1], report.c.request == rows.c.request, report.c.first)
    text = func.coalesce(func.nullif(rows.c.fingerprint, ""), rows.c.request_id)
    order = (rows.c.time, rows.c.request_id)
    copies = func.row_number().over(partition_by=text, order_by=order).label("copy")
    counts: Any = report.c.outcome.is_not(None)
    if not span.partial:
        counts = or_(counts, rows.c.received_at < span.settled_before)
    query = select(rows, report.c.outcome.label("report"), copies)
    return (
        query.select_from(rows.outerjoin(report, same))
        .where(rows.c.version == versions[0], rows.c.outcome != "rejected")
        .where(_within(rows.c.time, span), counts)
        .subquery("ours")
    )


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
