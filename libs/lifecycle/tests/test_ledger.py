from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.ledger import (
    GENESIS,
    Anchor,
    Draft,
    EntryKind,
    entry_from_dict,
    read_anchor,
    seal,
    verify_chain,
)


def a_chain(length):
    entries = []
    for index in range(length):
        draft = Draft(EntryKind.DENIED, "ada", {"why": f"no {index}"})
        entries.append(seal(draft, "sentiment", float(index), entries[-1] if entries else None))
    return entries


def test_an_empty_ledger_is_sound():
    report = verify_chain([])

    assert (report.entries, report.head, report.problem) == (0, GENESIS, None)


def test_a_sound_chain_reports_its_head():
    chain = a_chain(5)

    report = verify_chain(chain)

    assert (report.entries, report.head, report.problem) == (5, chain[-1].hash, None)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda e: replace(e, actor="eve"), id="actor"),
        pytest.param(lambda e: replace(e, time=e.time + 1), id="time"),
        pytest.param(lambda e: replace(e, body={"why": "yes"}), id="body"),
        pytest.param(lambda e: replace(e, model="other"), id="model"),
        pytest.param(lambda e: replace(e, kind=EntryKind.RELEASE), id="kind"),
        pytest.param(lambda e: replace(e, previous=GENESIS), id="link"),
    ],
)
def test_a_changed_entry_is_found(change):
    chain = a_chain(5)
    chain[2] = change(chain[2])

    assert verify_chain(chain).problem == "entry 3 does not follow from the 2 before it"


def test_a_missing_entry_is_found():
    chain = a_chain(5)
    del chain[1]

    assert verify_chain(chain).problem == "entry 2 is missing or out of order: found 3"


@given(st.permutations(range(5)))
def test_reordered_entries_are_found(order):
    chain = a_chain(5)

    report = verify_chain([chain[i] for i in order])

    assert (report.problem is None) == (order == sorted(order))


def test_an_entry_resealed_after_a_change_breaks_the_next_link():
    chain = a_chain(3)
    chain[1] = seal(Draft(EntryKind.DENIED, "eve", {}), "sentiment", 1.0, chain[0])

    assert verify_chain(chain).problem == "entry 3 does not follow from the 2 before it"


def test_a_cut_off_end_is_found_by_an_anchor():
    chain = a_chain(5)
    head = Anchor(5, chain[-1].hash)

    assert verify_chain(chain, [head]).problem is None
    report = verify_chain(chain[:3], [head])
    assert report.problem == "entry 4 and all after it are missing: there was one 5"
    assert report.entries == 3


def test_a_chain_that_was_forged_whole_is_found_by_an_anchor():
    seen = Anchor(2, "sha256:" + "0" * 64)

    problem = verify_chain(a_chain(5), [seen]).problem

    assert problem == "entry 2, or one before it, is not the one that was seen before"


def test_an_anchor_and_an_entry_are_read_as_they_are_written():
    (entry,) = a_chain(1)

    assert read_anchor(str(Anchor(1, entry.hash))) == Anchor(1, entry.hash)
    assert entry_from_dict(entry.to_dict()) == entry


@pytest.mark.parametrize("text", ["", "1", "1:md5:0", "x:sha256:0"])
def test_what_is_no_anchor_is_refused(text):
    with pytest.raises(ValueError, match=r"anchor|int"):
        read_anchor(text)
