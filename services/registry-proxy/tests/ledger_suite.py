"""What every Ledger promises. A scene opens the same database again and again, and has a SQL
prompt beside it.
"""

import subprocess
import sys
import threading

import pytest

from lifecycle.digests import sha256_digest
from lifecycle.ledger import GENESIS, Anchor, Draft, EntryKind, verify_chain
from registry_proxy.ledger.ports import HeadMoved, LedgerUnavailable, Page, StageHeld

DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


def a_page(count=1, documents=()):
    drafts = [Draft(EntryKind.POLICY, "ada", {"digest": f"p{i}"}) for i in range(count)]
    return Page(tuple(drafts), documents)


def a_registration(number=1, digest=DIGEST):
    body = {"number": number, "digest": digest, "lineage": {}, "metadata": {"labels": ("a", "b")}}
    return Page((Draft(EntryKind.REGISTERED, "ada", body),))


def a_move(before, after, digest=DIGEST):
    body = {"digest": digest, "before": before, "after": after, "reason": "naïve \u0000 text"}
    return Page((Draft(EntryKind.TRANSITION, "ada", body),))


WRITER = """
import sys
from registry_proxy.adapters.ledger_database import {opener}
from registry_proxy.adapters.sql_ledger import SqlLedger
from registry_proxy.ledger.ports import Page
from lifecycle.ledger import Draft, EntryKind
from pathlib import Path

ledger = SqlLedger({opener}({kind}(sys.argv[1])), lambda: 1.0, lambda entries: None)
seq = ledger.state("sentiment").seq
while True:
    bodies = [{{"digest": f"{{seq}}.{{part}}", "filler": "x" * 2000}} for part in range(5)]
    drafts = tuple(Draft(EntryKind.POLICY, "writer", body) for body in bodies)
    document = f"document {{seq}}".encode()
    seq = ledger.append("sentiment", seq, Page(drafts, (document,))).seq
    print(seq, flush=True)
"""


class LedgerSuite:
    @pytest.fixture
    def seen(self):
        return []

    @pytest.fixture
    def ledger(self, scene, seen):
        return scene.open(seen.extend)

    def test_an_unknown_model_is_at_sequence_0(self, ledger):
        assert ledger.state("sentiment").seq == 0
        assert ledger.head() == 0
        assert ledger.models() == ()
        assert ledger.verify().head == GENESIS

    def test_a_page_is_written_whole_and_in_order(self, ledger, seen):
        state = ledger.append("sentiment", 0, a_page(3))

        assert (state.seq, state.policy) == (3, "p2")
        assert [entry.seq for entry in ledger.entries(None, 0, 10)] == [1, 2, 3]
        assert [entry.seq for entry in seen] == [1, 2, 3]

    def test_what_is_read_back_is_what_was_hashed(self, ledger):
        ledger.append("sentiment", 0, a_registration())
        ledger.append("sentiment", 1, a_move("REGISTERED", "STAGING"))

        entry, moved = ledger.entries("sentiment", 0, 10)
        assert entry.body["metadata"] == {"labels": ["a", "b"]}
        assert moved.body["reason"] == "naïve \u0000 text"
        assert verify_chain([entry, moved]).problem is None

    def test_the_chain_runs_over_all_models_and_the_sequence_over_each(self, ledger):
        ledger.append("spam", 0, a_page())
        ledger.append("sentiment", 0, a_page())
        ledger.append("spam", 1, a_page())

        assert ledger.state("spam").seq == 3
        assert ledger.state("sentiment").seq == 2
        assert ledger.head() == 3
        assert ledger.models() == ("sentiment", "spam")
        assert ledger.verify().entries == 3

    def test_models_are_sorted_the_same_everywhere(self, ledger):
        for name in ("b-a", "ba", "b2", "a"):
            ledger.append(name, 0, a_page())

        assert ledger.models() == ("a", "b-a", "b2", "ba")

    def test_a_head_that_moved_writes_nothing(self, ledger):
        ledger.append("sentiment", 0, a_page())

        with pytest.raises(HeadMoved):
            ledger.append("sentiment", 0, a_page(documents=(b"policy",)))

        assert ledger.state("sentiment").seq == 1
        assert ledger.head() == 1
        assert ledger.document(sha256_digest(b"policy")) is None

    def test_documents_are_found_by_digest(self, ledger):
        ledger.append("sentiment", 0, a_page(documents=(b"policy", b"policy")))
        ledger.append("sentiment", 1, a_page(documents=(b"policy",)))

        assert ledger.document(sha256_digest(b"policy")) == b"policy"
        assert ledger.document("sha256:none") is None

    @pytest.mark.parametrize("stage", ["SHADOW", "PRODUCTION"])
    def test_a_second_version_never_holds_a_stage_of_one(self, ledger, stage):
        ledger.append("sentiment", 0, a_move("STAGING", stage))

        with pytest.raises(StageHeld, match=f"another version in {stage}"):
            ledger.append("sentiment", 1, a_move("STAGING", stage, OTHER))

        assert ledger.state("sentiment").seq == 1
        assert ledger.append("spam", 0, a_move("STAGING", stage, OTHER)).seq == 2

    def test_a_stage_that_was_left_can_be_held_again(self, ledger):
        ledger.append("sentiment", 0, a_move("STAGING", "PRODUCTION"))
        ledger.append("sentiment", 1, a_move("PRODUCTION", "ARCHIVED"))
        ledger.append("sentiment", 2, a_move("SHADOW", "PRODUCTION", OTHER))

        assert ledger.append("sentiment", 3, a_move("PRODUCTION", "ARCHIVED", OTHER)).seq == 4

    @pytest.mark.parametrize("table", ["entries", "documents"])
    @pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {} = {}"])
    def test_nothing_is_ever_changed_or_removed(self, ledger, scene, table, statement):
        ledger.append("sentiment", 0, a_page(documents=(b"policy",)))
        column = {"entries": "actor", "documents": "content"}[table]

        with pytest.raises(scene.refusal, match="append-only"):
            scene.sql(statement.format(table, column, column))

    def test_a_ledger_goes_on_where_it_was(self, ledger, scene):
        ledger.append("sentiment", 0, a_registration())

        again = scene.open()

        assert again.state("sentiment") == ledger.state("sentiment")
        assert again.append("sentiment", 1, a_page()).seq == 2
        assert ledger.state("sentiment").seq == 2

    def test_a_damaged_document_is_not_handed_out(self, ledger, scene):
        ledger.append("sentiment", 0, a_page(documents=(b"policy",)))
        scene.unguard()
        scene.sql("UPDATE documents SET content = 'other'")

        with pytest.raises(LedgerUnavailable, match="damaged"):
            ledger.document(sha256_digest(b"policy"))

    @pytest.mark.parametrize(
        ("damage", "problem"),
        [
            ("UPDATE entries SET actor = 'eve' WHERE seq = 2", "entry 2 does not follow"),
            ("UPDATE entries SET body = '{}' WHERE seq = 3", "entry 3 does not follow"),
            ("DELETE FROM entries WHERE seq = 1", "entry 1 is missing"),
            ("DELETE FROM entries WHERE seq = 2", "entry 2 is missing or out of order: found 3"),
            ("DELETE FROM entries WHERE seq = 3", "entry 3 and all after it are missing"),
            ("DELETE FROM entries", "entry 1 and all after it are missing"),
            ("UPDATE entries SET seq = 6 - seq", "does not follow"),
        ],
    )
    def test_what_was_changed_by_force_is_found(self, ledger, scene, damage, problem):
        ledger.append("sentiment", 0, a_page(3))
        assert ledger.verify().problem is None
        scene.unguard()

        for statement in scene.in_steps(damage):
            scene.sql(statement)

        assert problem in ledger.verify().problem

    @pytest.mark.parametrize(
        ("kept", "removal"),
        [(0, "DELETE FROM entries"), (2, "DELETE FROM entries WHERE seq = 3")],
    )
    def test_nothing_is_written_over_entries_that_were_removed(self, ledger, scene, kept, removal):
        ledger.append("sentiment", 0, a_page(3))
        scene.unguard()
        scene.sql(removal)

        with pytest.raises(LedgerUnavailable, match="entry 3 was written last"):
            scene.open().append("sentiment", kept, a_page())

    def test_a_chain_that_was_forged_whole_is_found_by_an_anchor(self, ledger, scene):
        ledger.append("sentiment", 0, a_page(2))
        kept = ledger.entries(None, 1, 1)[0]
        scene.unguard()
        scene.sql("DELETE FROM entries")
        scene.sql("UPDATE chain_head SET seq = 0, hash = ''")
        scene.open().append("sentiment", 0, a_page(1))
        scene.open().append("sentiment", 1, a_registration())

        assert ledger.verify().problem is None
        found = ledger.verify([Anchor(kept.seq, kept.hash)]).problem
        assert found == "entry 2, or one before it, is not the one that was seen before"

    def test_a_database_of_a_newer_release_is_refused(self, ledger, scene):
        ledger.append("sentiment", 0, a_page())
        scene.sql("UPDATE alembic_version SET version_num = '9999'")

        with pytest.raises(LedgerUnavailable, match="schema 9999, which a newer release wrote"):
            scene.open()

    def test_of_many_writers_on_one_head_exactly_one_wins(self, ledger, scene):
        others = [scene.open() for _ in range(2)]
        start = threading.Barrier(9)
        won, lost = [], []

        def write(name, book):
            start.wait()
            try:
                won.append(book.append("sentiment", 0, a_page(2)).seq)
            except HeadMoved:
                lost.append(name)

        books = [ledger, *others] * 3
        threads = [threading.Thread(target=write, args=each) for each in enumerate(books)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (won, len(lost)) == ([2], 8)
        assert ledger.verify().entries == 2

    def test_a_killed_writer_leaves_whole_pages_and_loses_none_it_confirmed(self, scene):
        confirmed = 0
        script = WRITER.format(opener=scene.opener, kind=scene.kind)
        for round_number in range(3):
            writer = subprocess.Popen(
                [sys.executable, "-c", script, scene.address], stdout=subprocess.PIPE, text=True
            )
            for _ in range(3 + round_number * 4):
                confirmed = int(writer.stdout.readline())
            writer.kill()
            confirmed = max([confirmed, *map(int, writer.stdout.read().split())])
            writer.wait()
            writer.stdout.close()

            ledger = scene.open()
            report = ledger.verify()
            last = ledger.entries(None, report.entries - 5, 5)
            assert report.problem is None
            assert report.entries >= confirmed
            assert report.entries % 5 == 0
            assert {e.body["digest"].split(".")[0] for e in last} == {str(report.entries - 5)}
            assert ledger.document(sha256_digest(f"document {report.entries - 5}".encode()))
