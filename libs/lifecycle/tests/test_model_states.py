import json

import pytest

from lifecycle.ledger import Draft, EntryKind, seal
from lifecycle.model_states import fold, model_state_from_dict
from lifecycle.stages import Stage
from lifecycle.transitions import StaleSequence, Transition, TransitionRefused, refuse_illegal

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def registered(digest, number):
    body = {"digest": digest, "number": number, "lineage": {}, "metadata": {}}
    return Draft(EntryKind.REGISTERED, "trainer", body)


def moved(digest, stage):
    return Draft(EntryKind.TRANSITION, "ada", {"digest": digest, "after": stage.value})


def state_after(*drafts):
    entries = []
    for draft in drafts:
        entries.append(seal(draft, "sentiment", 1.0, entries[-1] if entries else None))
    return fold("sentiment", entries)


def test_a_model_without_entries_is_empty():
    assert fold("sentiment", []).seq == 0


def test_a_version_is_found_by_number_and_by_digest():
    state = state_after(registered(ONE, 1), registered(TWO, 2))

    assert state.find("2") is state.find(TWO)
    assert state.find("3") is None


def test_a_version_is_found_by_a_stage_that_it_alone_holds():
    state = state_after(registered(ONE, 1), registered(TWO, 2), moved(TWO, Stage.PRODUCTION))

    assert state.find("production") is state.find(TWO)
    assert state.find("shadow") is None
    assert state.find("registered") is None


def test_productions_are_remembered_in_order_after_they_left():
    state = state_after(
        registered(ONE, 1),
        registered(TWO, 2),
        moved(ONE, Stage.PRODUCTION),
        moved(ONE, Stage.ARCHIVED),
        moved(TWO, Stage.PRODUCTION),
    )

    assert state.productions == (ONE, TWO)
    assert state.holding(Stage.PRODUCTION).digest == TWO


def test_evidence_and_waivers_are_kept_with_their_version():
    waiver = {
        "digest": ONE,
        "gate": "quality",
        "move": "REGISTERED->STAGING",
        "reason": "drill",
        "expires_at": 9.0,
        "evidence": TWO,
    }
    state = state_after(
        registered(ONE, 1),
        Draft(EntryKind.EVIDENCE, "gate", {"digest": ONE, "kind": "offline", "evidence": TWO}),
        Draft(EntryKind.WAIVER, "ada", waiver),
    )

    assert state.versions[0].evidence == {"offline": (TWO,)}
    assert state.versions[0].waivers[0].by == "ada"


def test_a_move_decided_on_an_old_head_is_refused_with_the_new_one():
    state = state_after(registered(ONE, 1), registered(TWO, 2))

    with pytest.raises(StaleSequence, match="at sequence 2, not 1"):
        refuse_illegal(state, Transition(ONE, Stage.STAGING, expected_seq=1))


def test_a_move_that_does_not_exist_is_refused_with_those_that_do():
    state = state_after(registered(ONE, 1))

    with pytest.raises(TransitionRefused, match="it can go to ARCHIVED, STAGING"):
        refuse_illegal(state, Transition(ONE, Stage.PRODUCTION, expected_seq=1))


def test_an_unknown_version_is_refused_with_those_that_exist():
    with pytest.raises(TransitionRefused, match="has no version 9; it has 1"):
        refuse_illegal(
            state_after(registered(ONE, 1)), Transition("9", Stage.STAGING, expected_seq=1)
        )


def test_a_second_first_release_is_refused():
    state = state_after(
        registered(ONE, 1),
        registered(TWO, 2),
        moved(ONE, Stage.PRODUCTION),
        moved(TWO, Stage.STAGING),
    )

    with pytest.raises(TransitionRefused, match="start a rollout"):
        refuse_illegal(state, Transition(TWO, Stage.PRODUCTION, expected_seq=4))


def test_a_state_comes_back_from_its_json_as_it_was():
    waiver = {"digest": ONE, "gate": "g", "move": "REGISTERED->STAGING", "reason": "drill"}
    evidence = {"digest": ONE, "kind": "offline", "evidence": TWO}
    rollout = {
        "id": "r1",
        "candidate": ONE,
        "candidate_colour": "blue",
        "baseline": None,
        "phase": "PENDING",
        "step": -1,
        "paused": None,
        "started_at": 1.0,
        "phase_since": 1.0,
    }
    state = state_after(
        registered(ONE, 1),
        Draft(EntryKind.EVIDENCE, "gate", evidence),
        Draft(EntryKind.WAIVER, "ada", {**waiver, "expires_at": 9.0, "evidence": TWO}),
        moved(ONE, Stage.PRODUCTION),
        Draft(EntryKind.ROLLOUT, "rollout-controller", {"rollout": rollout}),
    )

    assert model_state_from_dict(json.loads(json.dumps(state.to_dict()))) == state
