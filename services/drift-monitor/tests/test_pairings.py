from dataclasses import replace

import pytest

from drift_monitor.attest import Known, SubjectsRefused, shadow_evidence
from drift_monitor.mirrored import MirrorCount, Settled, Span, span_of
from drift_monitor.noise import Noise
from drift_monitor.pairings import Pairing, PairingConflict, register
from drift_monitor.tallies import Tallies, Tally
from lifecycle.evidence import EvidenceKind, Subjects

BASELINE = "sha256:" + "b" * 64
CANDIDATE = "sha256:" + "c" * 64
LAG = 5.0
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

        def tallies(self, pairing=PAIRING, settled_before=2000.0, mirror=None):
            with kit.begin() as transaction:
                for version in (BASELINE, CANDIDATE):
                    transaction.answers.unpack_held("sentiment", version)
                span = span_of(pairing, mirror, Settled(settled_before, LAG))
                return transaction.answers.tally(pairing, span)

        def all(self, **options):
            return self.tallies(**options).all

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


def test_an_answer_that_came_too_late_is_missing_however_late_it_is_told(paired):
    paired.send(BASELINE, [0, 0], time=[1000.0, 1000.0])
    paired.send(CANDIDATE, [0, 0], time=[1000.0 + LAG, 1000.1 + LAG])

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


def test_tallies_are_kept_on_the_slices_that_callers_name(paired):
    slices = [{"domain": "books"}, {"domain": "films"}, {"domain": "films"}]
    paired.send(BASELINE, [0, 1, 0], slices=slices, words=[10, 10, 10])
    paired.send(CANDIDATE, [0, 0, 0])

    found = {tally.slice: tally.disagreeing for tally in paired.tallies().slices}
    assert found == {"short": 1, "domain=books": 0, "domain=films": 1}


def test_only_the_largest_slices_are_told(paired):
    slices = [{"domain": f"d{row // 2}"} for row in range(79)]
    paired.send(BASELINE, [0] * 79, slices=slices, words=[10] * 79)

    told = [tally.slice for tally in paired.tallies().slices]
    assert len(told) == 30
    assert "short" in told
    assert "domain=d39" not in told


def test_tallies_are_kept_per_length_slice(paired):
    paired.send(BASELINE, [0, 1, 0], words=[128, 129, 301])
    paired.send(CANDIDATE, [0, 0, 0])

    bad = {tally.slice: (tally.eligible, tally.bad) for tally in paired.tallies().slices}
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


def mirror(*readings, percent=20, since=1000.0):
    return MirrorCount(percent, since, readings)


PARTIAL = replace(PAIRING, mirror_percent=20)


def test_of_a_partial_mirror_only_what_the_candidate_told_of_makes_pairs(paired):
    paired.send(BASELINE, [0] * 10)
    paired.send(CANDIDATE, [0, 1], start=3)

    tally = paired.all(pairing=PARTIAL, mirror=mirror((1500.0, 2)))
    assert (tally.eligible, tally.paired, tally.disagreeing, tally.missing) == (2, 2, 1, 0)


def test_what_the_gateway_mirrored_and_nobody_told_of_is_missing(paired):
    paired.send(BASELINE, [0] * 10)
    paired.send(CANDIDATE, [0, 0, 0], outcome=["ok", "error", "ok"])

    tally = paired.all(pairing=PARTIAL, mirror=mirror((1500.0, 7)))
    assert (tally.eligible, tally.paired, tally.missing, tally.bad) == (7, 2, 5, 5)


def test_a_request_that_the_candidate_turned_away_was_not_lost(paired):
    paired.send(BASELINE, [0, 0], outcome=["ok", "rejected"])
    paired.send(CANDIDATE, [0, 0], outcome=["ok", "rejected"])

    assert paired.all(pairing=PARTIAL, mirror=mirror((1500.0, 2))).coverage == 1.0


def test_texts_that_repeat_count_once_among_those_that_were_mirrored(paired):
    paired.send(BASELINE, [0] * 4, fingerprint=["same", "same", "other", "same"])
    paired.send(CANDIDATE, [0, 0, 0], start=1)

    assert paired.all(pairing=PARTIAL, mirror=mirror((1500.0, 3))).eligible == 2


def test_answers_after_the_gateways_count_wait_for_the_next_one(paired):
    times = [1100.0, 1200.0, 1300.0]
    paired.send(BASELINE, [0] * 3, time=times)
    paired.send(CANDIDATE, [0] * 3, time=[time + 0.1 for time in times])
    counted = mirror((1000.0, 0), (1150.0, 1), (1250.0, 2), (1350.0, 3))

    tallies = paired.tallies(pairing=PARTIAL, mirror=counted, settled_before=1260.0)
    assert (tallies.span.until, tallies.all.eligible, tallies.all.missing) == (1250.0, 2, 0)


def test_a_request_of_several_texts_is_mirrored_once(paired):
    columns = {"request_id": ["a#0", "a#1", "b"]}
    paired.send(BASELINE, [0, 0, 0], **columns)
    paired.send(CANDIDATE, [0, 1, 0], **columns)

    tally = paired.all(pairing=PARTIAL, mirror=mirror((1500.0, 2)))
    assert (tally.eligible, tally.missing, tally.disagreeing, tally.reported) == (3, 0, 1, 2)


def test_an_uncounted_partial_mirror_tells_what_is_missing_to_nobody():
    uncounted = span_of(PARTIAL, None, Settled(2000.0, LAG))
    too_late = span_of(PARTIAL, mirror((1990.0, 5)), Settled(1980.0, LAG))

    for span in (uncounted, too_late):
        assert (span.partial, span.mirrored) == (True, None)


def test_a_mirror_that_was_partial_for_a_while_stays_so():
    (lowered,) = register(replace(PAIRING, mirror_percent=20), [PAIRING])

    assert (lowered.mirror_percent, lowered.since) == (20, PAIRING.since)
    assert register(PAIRING, [lowered]) == (lowered,)
    assert span_of(lowered, mirror((1500.0, 9), percent=100), Settled(2000.0, LAG)).mirrored == 9


def test_unmirrored_answers_are_not_kept_for_long(kit, paired):
    with kit.begin() as transaction:
        transaction.registered.put([PARTIAL])
    paired.send(BASELINE, [0] * 5)
    paired.send(CANDIDATE, [0, 0])
    with kit.begin() as transaction:
        transaction.forget(kit.now + 1000, retention_seconds=86_400)

    with kit.store.read() as transaction:
        kept = [transaction.answers.count(v) for v in transaction.registered.versions()]
    assert kept == [2, 2]


def test_what_comes_after_a_full_pairing_counts_for_neither_version(kit, paired):
    kit.rules = replace(kit.rules, pair_limit=3)
    with kit.begin() as transaction:
        transaction.registered.put([PARTIAL])
    paired.send(BASELINE, [0] * 3, time=[1001.0] * 3)
    paired.send(CANDIDATE, [0] * 3)
    paired.send(BASELINE, [0] * 3, start=50, time=[1200.0] * 3)

    with kit.store.read() as transaction:
        (full,) = transaction.registered.pairings("sentiment")
    counted = mirror((1100.0, 3), (1300.0, 900))
    assert full.full_at == 1200.0
    assert paired.all(pairing=full, mirror=counted).missing == 0


def test_what_an_earlier_pairing_keeps_takes_no_room_of_the_next(kit, paired):
    kit.rules = replace(kit.rules, pair_limit=3)
    paired.send(BASELINE, [0] * 3)
    kit.now += 1000
    later = replace(PAIRING, rollout="r2", since=kit.now)
    with kit.begin() as transaction:
        transaction.registered.put(register(later, [PAIRING]))
    paired.send(BASELINE, [0] * 3, start=50, time=[kit.now] * 3)

    with kit.store.read() as transaction:
        (newest, _) = sorted(transaction.registered.pairings("sentiment"), key=lambda p: -p.since)
        (version,) = transaction.registered.versions("sentiment")
        assert (newest.rollout, newest.full_at) == ("r2", None)
        assert transaction.answers.count(version) == 6


def test_errors_are_compared_request_by_request(paired):
    paired.send(BASELINE, [0] * 5, outcome=["ok", "ok", "error", "ok", "rejected"])
    paired.send(CANDIDATE, [0] * 5, outcome=["ok", "error", "ok", "rejected", "rejected"])

    tally = paired.all()
    assert (tally.reported, tally.spared, tally.failed) == (4, 1, 2)


def test_latencies_are_those_of_pairs(paired):
    paired.send(BASELINE, [0, 0, 0], latency_ms=[1.0, 1.0, 90.0])
    paired.send(CANDIDATE, [0, 0], latency_ms=[2.0, 20.0])

    candidate, baseline = paired.tallies().latencies
    assert sum(candidate.values()) == sum(baseline.values()) == 2
    assert min(candidate) > min(baseline)


SUBJECTS = Subjects(CANDIDATE, BASELINE, "none", "none", "sha256:" + "d" * 64, "none")


def counted(*slices, whole=None, span=None):
    whole = whole or Tally("all", 30, 28, 4, 9, 2, 2, reported=29, spared=1, failed=2)
    return Tallies(
        span or Span(1000.0, None, 1090.0, LAG), whole, slices, ({3: 27, 200: 1}, {2: 28})
    )


def test_shadow_evidence_holds_counts_per_slice_and_its_interval():
    tallies = counted(Tally("long", 10, 8, 1, 5, 2, 1), Tally("short", 20, 20, 3, 4, 0, 1))

    evidence = shadow_evidence(
        Known(PAIRING, tallies, None), SUBJECTS, now=1100.0, expires_at=2000.0
    )

    assert evidence.kind is EvidenceKind.SHADOW
    pairs = evidence.measurement("pairs", "all")
    whole = {"n": 30, "bad": 6, "missing": 2, "eligible": 30, "paired": 28}
    assert pairs.counts == {**whole, "mirror_percent": 100}
    assert (pairs.n, pairs.started_at, pairs.ended_at) == (30, 1000.0, 1100.0)
    assert evidence.measurement("labelled", "long").counts == {"n": 5, "wins": 2, "losses": 1}
    assert evidence.measurement("outcomes").counts == {"n": 29, "wins": 1, "losses": 2}
    assert evidence.measurement("live_latency").n == 28
    assert {m.slice for m in evidence.measurements} == {"all", "long", "short"}


@pytest.mark.parametrize("mirrored", [None, 30])
def test_evidence_of_a_partial_mirror_says_whether_it_was_counted(mirrored):
    span = Span(1010.0, 1080.0, 1090.0, LAG, partial=True, mirrored=mirrored)
    tallies = counted(Tally("long", 10, 8), span=span)

    evidence = shadow_evidence(
        Known(PARTIAL, tallies, None), SUBJECTS, now=1100.0, expires_at=2000.0
    )

    pairs, sliced = (evidence.measurement("pairs", name) for name in ("all", "long"))
    assert pairs.counts["mirror_percent"] == sliced.counts["mirror_percent"] == 20
    assert pairs.counts.get("mirrored") == mirrored
    assert "mirrored" not in sliced.counts
    assert (pairs.started_at, pairs.ended_at) == (1010.0, 1080.0)


def test_evidence_states_the_noise_floor_that_an_a_a_run_measured():
    known = Known(PAIRING, counted(), Noise("sentiment", BASELINE, 500, 9, measured_at=900.0))

    evidence = shadow_evidence(known, SUBJECTS, now=1100.0, expires_at=2000.0)

    noise = evidence.measurement("noise")
    assert (noise.n, noise.counts, noise.ended_at) == (500, {"n": 500, "differing": 9}, 900.0)


@pytest.mark.parametrize("field", ["model", "baseline"])
def test_evidence_is_not_given_about_other_versions(field):
    other = replace(SUBJECTS, **{field: "sha256:" + "e" * 64})
    with pytest.raises(SubjectsRefused, match=f"subjects.{field}"):
        shadow_evidence(Known(PAIRING, counted(), None), other, now=1.0, expires_at=2.0)
