import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from lifecycle.digests import sha256_digest
from lifecycle.ledger import GENESIS, Draft, EntryKind, verify_chain
from registry_proxy.adapters.sqlite_ledger import SqliteLedger
from registry_proxy.ledger.ports import HeadMoved, LedgerUnavailable, Page

DIGEST = "sha256:" + "1" * 64


def a_page(count=1, documents=()):
    drafts = [Draft(EntryKind.POLICY, "ada", {"digest": f"p{i}"}) for i in range(count)]
    return Page(tuple(drafts), documents)


def a_registration(number=1, digest=DIGEST):
    body = {"number": number, "digest": digest, "lineage": {}, "metadata": {"labels": ("a", "b")}}
    return Page((Draft(EntryKind.REGISTERED, "ada", body),))


@pytest.fixture
def seen():
    return []


@pytest.fixture
def ledger(tmp_path, seen):
    opened = SqliteLedger(tmp_path / "ledger.db", lambda: 5.0, seen.extend)
    yield opened
    opened.close()


def test_an_unknown_model_is_at_sequence_0(ledger):
    assert ledger.state("sentiment").seq == 0
    assert ledger.models() == ()
    assert ledger.verify().head == GENESIS


def test_a_page_is_written_whole_and_in_order(ledger, seen):
    state = ledger.append("sentiment", 0, a_page(3))

    assert (state.seq, state.policy) == (3, "p2")
    assert [entry.seq for entry in ledger.entries(None, 0, 10)] == [1, 2, 3]
    assert [entry.seq for entry in seen] == [1, 2, 3]


def test_what_is_read_back_is_what_was_hashed(ledger):
    ledger.append("sentiment", 0, a_registration())

    (entry,) = ledger.entries("sentiment", 0, 10)
    assert entry.body["metadata"] == {"labels": ["a", "b"]}
    assert verify_chain([entry]).problem is None


def test_the_chain_runs_over_all_models_and_the_sequence_over_each(ledger):
    ledger.append("spam", 0, a_page())
    ledger.append("sentiment", 0, a_page())
    ledger.append("spam", 1, a_page())

    assert ledger.state("spam").seq == 3
    assert ledger.state("sentiment").seq == 2
    assert ledger.models() == ("sentiment", "spam")
    assert ledger.verify().entries == 3


def test_a_head_that_moved_writes_nothing(ledger):
    ledger.append("sentiment", 0, a_page())

    with pytest.raises(HeadMoved):
        ledger.append("sentiment", 0, a_page(documents=(b"policy",)))

    assert ledger.state("sentiment").seq == 1
    assert ledger.document(sha256_digest(b"policy")) is None


def test_documents_are_found_by_digest(ledger):
    ledger.append("sentiment", 0, a_page(documents=(b"policy", b"policy")))

    assert ledger.document(sha256_digest(b"policy")) == b"policy"
    assert ledger.document("sha256:none") is None


@pytest.mark.parametrize("table", ["entries", "documents"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid"])
def test_nothing_is_ever_changed_or_removed(ledger, tmp_path, table, statement):
    ledger.append("sentiment", 0, a_page(documents=(b"policy",)))
    connection = sqlite3.connect(tmp_path / "ledger.db")

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement.format(table))
    connection.close()


def test_every_commit_reaches_the_disk(ledger):
    with ledger._engine.execution_options(begin="BEGIN").begin() as connection:
        pragmas = ("journal_mode", "synchronous")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]

    assert found == ["wal", 2]


def test_a_ledger_goes_on_where_it_was(ledger, tmp_path):
    ledger.append("sentiment", 0, a_registration())

    again = SqliteLedger(tmp_path / "ledger.db", lambda: 6.0, lambda _entries: None)

    assert again.state("sentiment") == ledger.state("sentiment")
    assert again.append("sentiment", 1, a_page()).seq == 2
    assert ledger.state("sentiment").seq == 2
    again.close()


def test_a_damaged_document_is_not_handed_out(ledger, tmp_path):
    ledger.append("sentiment", 0, a_page(documents=(b"policy",)))
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("DROP TRIGGER documents_no_UPDATE")
    connection.execute("UPDATE documents SET content = 'other'")
    connection.commit()
    connection.close()

    with pytest.raises(LedgerUnavailable, match="damaged"):
        ledger.document(sha256_digest(b"policy"))


@pytest.mark.usefixtures("ledger")
def test_a_file_of_another_release_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("UPDATE schema_version SET version = 99")
    connection.commit()
    connection.close()

    with pytest.raises(LedgerUnavailable, match="has schema 99 but this release needs 1"):
        SqliteLedger(tmp_path / "ledger.db", lambda: 6.0, lambda _entries: None)


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    (tmp_path / "ledger.db").write_text("these are not the bytes of a database" * 99)

    with pytest.raises(LedgerUnavailable, match="not a database"):
        SqliteLedger(tmp_path / "ledger.db", lambda: 6.0, lambda _entries: None)


def test_of_many_writers_on_one_head_exactly_one_wins(ledger):
    start = threading.Barrier(8)
    won, lost = [], []

    def write(name):
        start.wait()
        try:
            won.append(ledger.append("sentiment", 0, a_page(2)).seq)
        except HeadMoved:
            lost.append(name)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (won, len(lost)) == ([2], 7)
    assert ledger.verify().entries == 2


WRITER = """
import sys
from registry_proxy.adapters.sqlite_ledger import SqliteLedger
from registry_proxy.ledger.ports import Page
from lifecycle.ledger import Draft, EntryKind
from pathlib import Path

ledger = SqliteLedger(Path(sys.argv[1]), lambda: 1.0, lambda entries: None)
seq = ledger.state("sentiment").seq
while True:
    bodies = [{"digest": f"{seq}.{part}", "filler": "x" * 2000} for part in range(5)]
    drafts = tuple(Draft(EntryKind.POLICY, "writer", body) for body in bodies)
    document = f"document {seq}".encode()
    seq = ledger.append("sentiment", seq, Page(drafts, (document,))).seq
    print(seq, flush=True)
"""


def test_a_killed_writer_leaves_whole_pages_and_loses_none_it_confirmed(tmp_path):
    path = tmp_path / "ledger.db"
    confirmed = 0
    for round_number in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3 + round_number * 4):
            confirmed = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        confirmed = max([confirmed, *map(int, writer.stdout.read().split())])
        writer.wait()
        writer.stdout.close()

        ledger = SqliteLedger(path, lambda: 2.0, lambda _entries: None)
        report = ledger.verify()
        last = ledger.entries(None, report.entries - 5, 5)
        assert report.problem is None
        assert report.entries >= confirmed
        assert report.entries % 5 == 0
        assert {e.body["digest"].split(".")[0] for e in last} == {str(report.entries - 5)}
        assert ledger.document(sha256_digest(f"document {report.entries - 5}".encode()))
        ledger.close()
