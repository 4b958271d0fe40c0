"""The ledger in one file, and files that were made before there were migrations."""

import sqlite3
import sys

import pytest

from lifecycle.digests import canonical_json
from lifecycle.ledger import Draft, EntryKind, seal
from registry_proxy.ledger.ports import LedgerUnavailable, StageHeld

suite = sys.modules["registry_proxy_ledger_suite"]
OutboxSuite = sys.modules["registry_proxy_outbox_suite"].OutboxSuite
SqliteScene = sys.modules["registry_proxy_sqlite_scene"].SqliteScene

# What the last release without migrations made: the tables, word for word.
BEFORE_MIGRATIONS = """
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE entries (
    seq INTEGER NOT NULL, time FLOAT NOT NULL, model VARCHAR(64) NOT NULL,
    kind VARCHAR(16) NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL,
    previous VARCHAR(71) NOT NULL, hash VARCHAR(71) NOT NULL, PRIMARY KEY (seq), UNIQUE (hash));
CREATE INDEX entries_by_model ON entries (model, seq);
CREATE TABLE documents (
    digest VARCHAR(71) NOT NULL, content BLOB NOT NULL, PRIMARY KEY (digest));
CREATE TRIGGER IF NOT EXISTS entries_no_UPDATE BEFORE UPDATE ON entries BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_no_DELETE BEFORE DELETE ON entries BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS documents_no_UPDATE BEFORE UPDATE ON documents BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS documents_no_DELETE BEFORE DELETE ON documents BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only'); END;
INSERT INTO schema_version VALUES (1);
"""


class TestSqliteLedger(suite.LedgerSuite):
    def test_every_commit_reaches_the_disk(self, ledger):
        with ledger._database.reading() as connection:
            pragmas = ("journal_mode", "synchronous")
            found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]

        assert found == ["wal", 2]

    def test_a_file_that_is_no_ledger_is_refused(self, scene):
        scene.path.write_text("these are not the bytes of a database" * 99)

        with pytest.raises(LedgerUnavailable, match="not a database"):
            scene.open()


class TestSqliteOutbox(OutboxSuite):
    pass


def written_before_migrations(scene, *drafts):
    connection = sqlite3.connect(scene.path)
    connection.executescript(BEFORE_MIGRATIONS)
    last = None
    for draft in drafts:
        last = seal(draft, "sentiment", 5.0, last)
        row = (last.seq, last.time, last.model, last.kind, last.actor)
        row += (canonical_json(last.body).decode(), last.previous, last.hash)
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.execute("INSERT INTO documents VALUES ('sha256:x', 'content')")
    connection.commit()
    connection.close()
    return last


def moved(before, after, digest):
    body = {"digest": digest, "before": before, "after": after}
    return Draft(EntryKind.TRANSITION, "ada", body)


def test_a_ledger_from_before_migrations_is_taken_over_with_all_that_is_in_it(scene):
    last = written_before_migrations(
        scene,
        moved("STAGING", "PRODUCTION", suite.DIGEST),
        moved("PRODUCTION", "ARCHIVED", suite.DIGEST),
        moved("SHADOW", "PRODUCTION", suite.OTHER),
    )

    ledger = scene.open()

    assert ledger.state("sentiment").productions == (suite.DIGEST, suite.OTHER)
    assert (ledger.verify().problem, ledger.verify().head) == (None, last.hash)
    with pytest.raises(StageHeld):
        ledger.append("sentiment", 3, suite.a_move("STAGING", "PRODUCTION"))
    assert ledger.append("sentiment", 3, suite.a_page()).seq == 4
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        scene.sql("DELETE FROM entries")


def test_an_empty_ledger_from_before_migrations_is_taken_over(scene):
    written_before_migrations(scene)

    assert scene.open().append("sentiment", 0, suite.a_page()).seq == 1
    assert scene.open().verify().entries == 1


def test_a_taken_over_ledger_has_the_same_schema_as_a_new_one(scene, tmp_path):
    written_before_migrations(scene)
    scene.open()
    new = SqliteScene(tmp_path / "new.db")
    new.open()

    def schema(one):
        names = "SELECT name FROM sqlite_master ORDER BY name"
        return [(name, one.sql(f"PRAGMA table_info({name})")) for (name,) in one.sql(names)]

    def without_lengths(found):
        return str(found).replace("VARCHAR(16)", "VARCHAR(64)")

    assert without_lengths(schema(scene)) == without_lengths(schema(new))
    new.close()


def test_a_schema_of_before_migrations_with_another_number_is_refused(scene):
    written_before_migrations(scene)
    scene.sql("UPDATE schema_version SET version = 99")

    with pytest.raises(LedgerUnavailable, match="has schema 99"):
        scene.open()
