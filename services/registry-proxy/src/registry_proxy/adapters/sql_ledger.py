"""The ledger in tables, on SQLite and PostgreSQL alike.

Entries and documents are only ever added; triggers refuse anything else, also to a person with
a SQL prompt. A page is one transaction, so a crash leaves whole pages only. How the databases
differ is in `ledger_database`.
"""

import json
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.ledger import (
    Anchor,
    ChainReport,
    Draft,
    EntryKind,
    LedgerEntry,
    seal,
    verify_chain,
)
from lifecycle.model_states import ModelState, apply_entry
from lifecycle.stages import HELD_BY_ONE
from registry_proxy.adapters.ledger_database import LedgerDatabase
from registry_proxy.adapters.ledger_tables import DOCUMENTS, ENTRIES, HEAD, HELD_STAGES
from registry_proxy.ledger.ports import Clock, HeadMoved, LedgerUnavailable, Page, StageHeld

_PAGE_ENTRIES = 500

Observer = Callable[[Sequence[LedgerEntry]], None]
"""Told of every entry that this process wrote, for metrics."""


class SqlLedger:
    """Implements `ledger.ports.Ledger`; safe for many threads, on PostgreSQL many processes."""

    def __init__(self, database: LedgerDatabase, clock: Clock, observer: Observer) -> None:
        self._database = database
        self._clock = clock
        self._observer = observer
        self._states: dict[str, ModelState] = {}

    def state(self, model: str) -> ModelState:
        """Fold what was added since the model was last read."""
        seen = self._states.get(model, ModelState(model))
        with self._database.reading() as connection:
            later = ENTRIES.c.seq > seen.seq
            for entry in _select(connection, later, ENTRIES.c.model == model):
                seen = apply_entry(seen, entry)
        # An older fold of another thread may overwrite a newer one: the next read catches up.
        if seen.seq:
            self._states[model] = seen
        return seen

    def head(self) -> int:
        """Return the number of the last entry, 0 where there is none."""
        with self._database.reading() as connection:
            return int(connection.execute(select(HEAD.c.seq)).scalar_one())

    def models(self) -> tuple[str, ...]:
        """Return the names of all models that have an entry."""
        with self._database.reading() as connection:
            # Sorted here: databases differ in what comes before what.
            return tuple(sorted(connection.execute(select(ENTRIES.c.model).distinct()).scalars()))

    def append(self, model: str, seen: int, page: Page) -> ModelState:
        """Write one page in one transaction, if nobody wrote to the model after `seen`."""
        with self._database.writing() as connection:
            head = select(func.max(ENTRIES.c.seq)).where(ENTRIES.c.model == model)
            if (connection.execute(head).scalar() or 0) != seen:
                raise HeadMoved(model)
            last = _whole_last(connection)
            entries = _seal_all(model, self._clock(), page.drafts, last)
            connection.execute(insert(ENTRIES), [_to_row(entry) for entry in entries])
            for entry in entries:
                _hold(connection, entry)
            moved = {"seq": entries[-1].seq, "hash": entries[-1].hash}
            connection.execute(update(HEAD).values(moved))
            _add_documents(connection, page.documents)
        self._observer(entries)
        return self.state(model)

    def entries(self, model: str | None, after: int, limit: int) -> Sequence[LedgerEntry]:
        """Return up to `limit` entries after number `after`."""
        conditions = [ENTRIES.c.seq > after]
        if model is not None:
            conditions.append(ENTRIES.c.model == model)
        with self._database.reading() as connection:
            return _select(connection, *conditions, limit=limit)

    def document(self, digest: str) -> bytes | None:
        """Return a document; one that is not what its digest says is refused."""
        query = select(DOCUMENTS.c.content).where(DOCUMENTS.c.digest == digest)
        with self._database.reading() as connection:
            content = connection.execute(query).scalar()
        if content is None:
            return None
        if not isinstance(content, bytes) or sha256_digest(content) != digest:
            raise LedgerUnavailable(f"document {digest} is damaged; restore the ledger's database")
        return content

    def verify(self, anchors: Sequence[Anchor] = ()) -> ChainReport:
        """Walk the chain page by page, so that its length does not matter."""
        with self._database.reading() as connection:
            seq, digest = connection.execute(select(HEAD.c.seq, HEAD.c.hash)).one()
        # What is written while we walk comes behind the head that was read before.
        head = [Anchor(seq, digest)] if seq else []
        return verify_chain(self._all(), [*head, *anchors])

    def _all(self) -> Iterator[LedgerEntry]:
        after = 0
        while page := self.entries(None, after, _PAGE_ENTRIES):
            yield from page
            after = page[-1].seq


def entry_of(row: RowMapping) -> LedgerEntry:
    """Return the entry that stands in a row."""
    return LedgerEntry(**{**row, "kind": EntryKind(row["kind"]), "body": json.loads(row["body"])})


def _seal_all(
    model: str, now: float, drafts: Sequence[Draft], last: LedgerEntry | None
) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for draft in drafts:
        # What is hashed must be what is read back: tuples become lists here, not later.
        body = json.loads(canonical_json(draft.body))
        last = seal(Draft(draft.kind, draft.actor, body), model, now, last)
        entries.append(last)
    return entries


def _hold(connection: Connection, entry: LedgerEntry) -> None:
    """Let go of the Stage that a version leaves and take the one that it comes to."""
    if entry.kind is not EntryKind.TRANSITION:
        return
    before, after, digest = (entry.body[key] for key in ("before", "after", "digest"))
    if before in HELD_BY_ONE:
        left = (HELD_STAGES.c.model == entry.model, HELD_STAGES.c.stage == before)
        connection.execute(delete(HELD_STAGES).where(*left, HELD_STAGES.c.digest == digest))
    if after in HELD_BY_ONE:
        row = {"model": entry.model, "stage": after, "digest": digest}
        try:
            connection.execute(insert(HELD_STAGES), row)
        except IntegrityError as error:
            raise StageHeld(f"{entry.model} has another version in {after}") from error


def _add_documents(connection: Connection, documents: Sequence[bytes]) -> None:
    contents = {sha256_digest(content): content for content in documents}
    there = select(DOCUMENTS.c.digest).where(DOCUMENTS.c.digest.in_(contents))
    known = set(connection.execute(there).scalars())
    new = [{"digest": d, "content": c} for d, c in contents.items() if d not in known]
    if new:
        connection.execute(insert(DOCUMENTS), new)


def _whole_last(connection: Connection) -> LedgerEntry | None:
    """Return the last entry; one more would hide it if those behind it had been removed."""
    last = _last(connection)
    head = connection.execute(select(HEAD.c.seq, HEAD.c.hash)).one()
    if (last.seq, last.hash) != tuple(head) if last else head.seq:
        raise LedgerUnavailable(
            f"entry {head.seq} was written last and is not there any more; nothing is written "
            "until the ledger's database is restored"
        )
    return last


def _last(connection: Connection) -> LedgerEntry | None:
    query = select(ENTRIES).order_by(ENTRIES.c.seq.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return entry_of(row) if row else None


def _select(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[LedgerEntry]:
    query = select(ENTRIES).where(*conditions).order_by(ENTRIES.c.seq).limit(limit)
    return [entry_of(row) for row in connection.execute(query).mappings()]


def _to_row(entry: LedgerEntry) -> dict[str, object]:
    return {
        **entry.to_dict(),
        "kind": entry.kind.value,
        "body": canonical_json(entry.body).decode(),
    }
