from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.ledger import GENESIS, Draft, EntryKind, seal, verify_chain


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
