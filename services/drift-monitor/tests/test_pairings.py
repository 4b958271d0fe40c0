from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_monitor.attest import SubjectsRefused, shadow_evidence
from drift_monitor.pairings import Pairing, PairingConflict, Tally, add_up, register
from lifecycle.evidence import EvidenceKind, Subjects

BASELINE = "sha256:" + "b" * 64
CANDIDATE = "sha256:" + "c" * 64
PAIRING = Pairing("sentiment", "r1", BASELINE, CANDIDATE, since=1000.0)


@pytest.fixture
def paired(kit, traffic):
    """Count rows of both versions by (request, label, more columns); return the tally of all."""

    class Paired:
        batches = 0

        def send(self, version, labels, **columns):
            self.batches += 1
            document = traffic().document(
                len(labels), batch_id=f"batch-{self.batches}", version=version, **columns
            )
            document["columns"]["label"] = labels
            kit.count(document)

        def label(self, **labels):
            with kit.begin() as transaction:
                named = {name.replace("_", "-"): label for name, label in labels.items()}
                transaction.answers.label(kit.now, named)

        def tallies(self, pairing=PAIRING, settled_before=2000.0):
            with kit.store.read() as transaction:
                return transaction.answers.tally(pairing, settled_before)

        def all(self, **options):
            return add_up("all", self.tallies(**options))

    return Paired()


@pytest.mark.parametrize("first", [BASELINE, CANDIDATE], ids=["baseline first", "candidate first"])
def test_answers_pair_on_the_request_id_in_either_order(paired, first):
    answers = {BASELINE: [0, 0, 1], CANDIDATE: [0, 1, 1]}
    second = CANDIDATE if first == BASELINE else BASELINE

    paired.send(first, answers[first])
    paired.send(second, answers[second])

    tally = paired.all()
    assert (tally.eligible, tally.paired, tally.agreeing, tally.disagreeing) == (3, 3, 2, 1)
    assert (tally.missing, tally.bad, tally.coverage) == (0, 1, 1.0)


def test_a_baseline_answer_without_the_candidates_is_missing_only_after_the_lag(paired):
    paired.send(BASELINE, [0, 1])
    paired.send(CANDIDATE, [0])

    assert paired.all(settled_before=1000.0).eligible == 1
    late = paired.all(settled_before=1000.1)
    assert (late.eligible, late.missing, late.bad, late.coverage) == (2, 1, 1, 0.5)


def test_a_candidates_error_is_a_missing_answer(paired):
    paired.send(BASELINE, [0, 1])
    paired.send(CANDIDATE, [0, 1], outcome=["ok", "overloaded"])

    assert (paired.all().paired, paired.all().missing) == (1, 1)


def test_the_baselines_errors_and_what_came_before_the_mirror_are_not_eligible(paired):
    paired.send(BASELINE, [0, 1, 0], outcome=["ok", "error", "ok"], time=[1000.0, 1000.0, 999.0])
    paired.send(CANDIDATE, [0, 1, 0])

    assert paired.all().eligible == 1


def test_an_answer_after_the_next_pairing_began_is_not_eligible(paired):
    paired.send(BASELINE, [0, 1], time=[1000.0, 1500.0])
    paired.send(CANDIDATE, [0, 1])

    assert paired.all(pairing=replace(PAIRING, until=1500.0)).eligible == 1


def test_the_same_text_counts_once_and_texts_without_fingerprint_each(paired):
    paired.send(BASELINE, [0, 1, 0, 1], fingerprint=["same", "same", "", ""])
    paired.send(CANDIDATE, [0, 0, 0, 1])

    tally = paired.all()
    assert (tally.eligible, tally.paired, tally.disagreeing) == (3, 3, 0)


def test_a_repeated_request_keeps_its_first_answer(paired):
    paired.send(BASELINE, [0])
    paired.send(CANDIDATE, [0])
    paired.send(CANDIDATE, [1])

    assert paired.all().disagreeing == 0


def test_labels_join_before_and_after_the_answers_and_the_last_one_counts(paired):
    paired.label(request_0="positive", request_1="positive", request_2="negative")
    paired.send(BASELINE, [0, 1, 0, 0])
    paired.send(CANDIDATE, [1, 0, 0])
    paired.label(request_1="negative", request_3="positive")

    tally = paired.all()
    assert (tally.labelled, tally.wins, tally.losses) == (3, 2, 0)


def test_a_label_the_model_does_not_have_says_nothing(paired):
    paired.send(BASELINE, [0])
    paired.send(CANDIDATE, [1])
    paired.label(request_0="neutral")

    assert (paired.all().labelled, paired.all().wins, paired.all().losses) == (0, 0, 0)


def test_tallies_are_kept_per_length_slice(paired):
    paired.send(BASELINE, [0, 1, 0], words=[128, 129, 301])
    paired.send(CANDIDATE, [0, 0, 0])

    bad = {tally.slice: (tally.eligible, tally.bad) for tally in paired.tallies()}
    assert bad == {"short": (1, 0), "medium": (1, 1), "long": (1, 0)}


def test_a_pairing_keeps_no_more_answers_than_its_limit(kit, paired, traffic):
    kit.rules = replace(kit.rules, pair_limit=3)
    with kit.begin() as transaction:
        transaction.registered.put([PAIRING])
    paired.send(BASELINE, [0, 0, 0])

    counted = kit.count(traffic().document(4, batch_id="more", start=50))

    assert counted.answers_refused == 4
    assert paired.all().eligible == 3


def test_answers_that_belong_to_no_pairing_are_forgotten_after_a_while(kit, paired):
    with kit.begin() as transaction:
        transaction.registered.put([PAIRING])
    paired.send(BASELINE, [0, 0], time=[1000.0, 50.0])
    with kit.begin() as transaction:
        transaction.forget(kit.now + 1000, retention_seconds=86_400)

    earlier = replace(PAIRING, rollout="r0", since=0.0)
    assert paired.all().eligible == 1
    assert paired.all(pairing=earlier).eligible == 1


def test_registering_twice_changes_nothing_and_another_pair_is_a_conflict():
    later = replace(PAIRING, since=5000.0)
    assert register(later, [PAIRING]) == (PAIRING,)
    with pytest.raises(PairingConflict, match="another rollout"):
        register(replace(PAIRING, candidate=BASELINE), [PAIRING])


def test_a_new_pairing_ends_the_one_before():
    wanted = replace(PAIRING, rollout="r2", since=5000.0)
    assert register(wanted, [PAIRING]) == (wanted, replace(PAIRING, until=5000.0))


counts = st.integers(0, 50)


@given(parts=st.lists(st.tuples(counts, counts, counts, counts, counts, counts)))
def test_the_slices_add_up_to_all(parts):
    total = add_up("all", [Tally("s", *part) for part in parts])
    sums = [sum(column) for column in zip(*parts, strict=True)] or [0] * 6
    assert [total.eligible, total.paired, total.disagreeing] == sums[:3]
    assert [total.labelled, total.wins, total.losses] == sums[3:]


SUBJECTS = Subjects(CANDIDATE, BASELINE, "none", "none", "sha256:" + "d" * 64, "none")


def test_shadow_evidence_holds_counts_per_slice_and_its_interval():
    tallies = [Tally("long", 10, 8, 1, 5, 2, 1), Tally("short", 20, 20, 3, 4, 0, 1)]

    evidence = shadow_evidence(PAIRING, tallies, SUBJECTS, now=1100.0, expires_at=2000.0)

    assert evidence.kind is EvidenceKind.SHADOW
    pairs = evidence.measurement("pairs", "all")
    assert pairs.counts == {"n": 30, "bad": 6, "missing": 2, "eligible": 30, "paired": 28}
    assert (pairs.n, pairs.started_at, pairs.ended_at) == (30, 1000.0, 1100.0)
    assert evidence.measurement("labelled", "long").counts == {"n": 5, "wins": 2, "losses": 1}
    assert {m.slice for m in evidence.measurements} == {"all", "long", "short"}


@pytest.mark.parametrize("field", ["model", "baseline"])
def test_evidence_is_not_given_about_other_versions(field):
    other = replace(SUBJECTS, **{field: "sha256:" + "e" * 64})
    with pytest.raises(SubjectsRefused, match=f"subjects.{field}"):
        shadow_evidence(PAIRING, [], other, now=1.0, expires_at=2.0)
