import resource

import pytest

from drift_monitor.adapters.journal import FileJournal
from drift_monitor.ports import JournalRefused


def test_records_are_read_back_in_order_after_a_restart(tmp_path):
    journal = FileJournal(tmp_path, applied=0)
    written = [journal.append(10.0 + i, f"batch {i}".encode()) for i in range(3)]
    journal.close()

    again = FileJournal(tmp_path, applied=0)

    assert list(again.read_after(0)) == written
    assert list(again.read_after(2)) == written[2:]
    assert again.append(20.0, b"next").seq == 4


def test_a_torn_last_record_is_cut_off_and_the_rest_stays(tmp_path, caplog):
    journal = FileJournal(tmp_path, applied=0)
    first = journal.append(1.0, b"whole")
    journal.append(2.0, b"this one is torn by a crash")
    journal.close()
    (segment,) = tmp_path.glob("*.journal")
    segment.write_bytes(segment.read_bytes()[:-5])

    again = FileJournal(tmp_path, applied=0)

    assert list(again.read_after(0)) == [first]
    assert again.append(3.0, b"next").seq == 2
    assert "unfinished record" in caplog.text


def test_segments_are_dropped_once_all_their_records_are_applied(tmp_path):
    journal = FileJournal(tmp_path, applied=0)
    for _ in range(5):
        last = journal.append(1.0, b"x" * (4 * 1024 * 1024))

    journal.forget(last.seq - 1)
    assert [record.seq for record in journal.read_after(0)][-1] == last.seq
    before = len(list(tmp_path.iterdir()))
    journal.append(1.0, b"x" * (5 * 1024 * 1024))
    journal.forget(last.seq + 1)

    assert before <= 2
    assert list(journal.read_after(0)) == []


def test_numbers_never_go_below_what_the_tables_hold(tmp_path):
    assert FileJournal(tmp_path, applied=41).append(1.0, b"x").seq == 42


def test_a_record_damaged_in_the_middle_is_reported(tmp_path, caplog):
    journal = FileJournal(tmp_path, applied=0)
    journal.append(1.0, b"first")
    journal.close()
    FileJournal(tmp_path, applied=0).append(2.0, b"second")
    first = min(tmp_path.glob("*.journal"))
    first.write_bytes(first.read_bytes()[:-2])

    assert [record.seq for record in FileJournal(tmp_path, applied=0).read_after(0)] == [2]
    assert "records 1 to 1 are damaged" in caplog.text


def test_a_full_disk_refuses_the_batch_and_leaves_the_journal_whole(tmp_path):
    journal = FileJournal(tmp_path, applied=0)
    first = journal.append(1.0, b"fits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(JournalRefused, match="cannot be written"):
            journal.append(2.0, b"x" * 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    second = journal.append(3.0, b"fits again")
    assert list(journal.read_after(0)) == [first, second]
