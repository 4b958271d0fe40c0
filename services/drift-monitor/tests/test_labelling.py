"""Which rows are drawn for labelling, and what is known of quality once they are labelled."""

from dataclasses import replace

import numpy as np
import pytest

from drift_monitor.labelling import LIST_SIZE, Candidate, choose, priority_of
from drift_monitor.watch_quality import Promise, assess, close_cohorts
from drift_monitor.windows import ALL

BASELINE = "sha256:" + "b" * 64
COHORT_SECONDS = 600.0


def candidates(stratum, count, worth=0.9):
    names = [f"{stratum}-{i}" for i in range(count)]
    return [
        Candidate(name, stratum, priority_of(name, 0.0), "positive", worth, 0.0, (ALL,))
        for name in names
    ]


def test_a_list_has_its_size_and_each_probability_is_the_share_of_the_stratum():
    chosen = choose(candidates(0, 200) + candidates(1, 200), [5000, 1000])
    of_first = [p for name, p in chosen.items() if name.startswith("0-")]
    of_second = [p for name, p in chosen.items() if name.startswith("1-")]
    assert len(chosen) == LIST_SIZE
    assert set(of_first) == {len(of_first) / 5000}
    assert set(of_second) == {len(of_second) / 1000}
    assert len(of_first) > 4 * len(of_second)


def test_strata_about_which_little_is_sure_get_more_and_none_gets_nothing():
    chosen = choose(candidates(0, 200, worth=0.99) + candidates(1, 200, worth=0.6), [1000, 1000])
    assert sum(name.startswith("1-") for name in chosen) > 150
    assert sum(name.startswith("0-") for name in chosen) >= 5


def test_few_rows_are_all_listed_and_who_saw_them_in_which_order_does_not_matter():
    few = candidates(0, 20)
    assert choose(few, [20]) == choose(few[::-1], [20]) == {c.request_id: 1.0 for c in few}


@pytest.fixture
def week(kit, traffic, reference_bytes):
    """A cohort of 3,000 rows on the real tables, and what can be asked of it."""
    kit.references.files[BASELINE] = reference_bytes
    kit.now = 1200.0
    kit.rules = replace(kit.rules, cohort_seconds=COHORT_SECONDS)

    class Week:
        promise = Promise(0.03, COHORT_SECONDS, COHORT_SECONDS)

        def __init__(self):
            drawn = traffic(seed=5)
            self.answers = {}
            for number in range(6):
                document = drawn.document(500, batch_id=f"b{number}", start=500 * number)
                self.note(document["columns"])
                kit.count(document)
            kit.now += COHORT_SECONDS
            close_cohorts(kit.store, kit.shelf, kit.now, self.promise)

        def note(self, columns):
            for request_id, label in zip(columns["request_id"], columns["label"], strict=True):
                self.answers[request_id] = ["negative", "positive"][label]

        def drawn(self):
            with kit.store.read() as transaction:
                return transaction.sample.drawn(BASELINE, 0.0)

        def label(self, right):
            """Label the list so that a share of the answers was right."""
            other = {"positive": "negative", "negative": "positive"}
            rng = np.random.default_rng(1)
            truth = {
                row.request_id: row.label if rng.random() < right else other[row.label]
                for row in self.drawn()
            }
            with kit.begin() as transaction:
                transaction.answers.label(kit.now, truth)

        def quality(self):
            with kit.store.read() as transaction:
                (version,) = transaction.registered.versions()
                reference = kit.shelf.find(BASELINE, version.labels)
                found = assess(transaction, version, reference, (1200.0, kit.now), self.promise)
                return {known.slice: known for known in found}

    return Week()


def test_a_cohorts_list_names_200_of_its_rows_with_their_answers_and_slices(week):
    drawn = week.drawn()
    assert len(drawn) == LIST_SIZE
    assert all(week.answers[row.request_id] == row.label for row in drawn)
    assert all(ALL in row.slices and len(row.slices) == 2 for row in drawn)
    assert sum(1 / row.probability for row in drawn) == pytest.approx(3000)


def test_rows_that_come_after_the_list_was_made_do_not_change_it(week, kit, traffic):
    before = week.drawn()
    kit.now = 1210.0
    kit.count(traffic(seed=9).document(100, batch_id="late", start=9000))
    kit.now += 2 * COHORT_SECONDS
    close_cohorts(kit.store, kit.shelf, kit.now, week.promise)
    assert week.drawn() == before


def test_without_labels_quality_is_estimated_and_trusted_on_familiar_texts(week):
    known = week.quality()[ALL]
    assert known.measured is None
    assert known.trusted
    assert known.estimated.lower <= 0.9 <= known.estimated.upper
    assert not known.degraded


def test_texts_unlike_the_reference_take_the_trust_away(week, kit, traffic):
    kit.now = 1790.0
    kit.count(traffic(seed=9, shift=0.3).document(500, batch_id="novel", start=9000))
    assert week.quality()[ALL].novelty > 0.1
    assert not week.quality()[ALL].trusted


def test_labels_measure_every_slice_that_has_enough(week):
    week.label(right=0.9)
    found = week.quality()
    assert found[ALL].measured.lower <= 0.9 <= found[ALL].measured.upper
    assert found[ALL].measured.n == LIST_SIZE
    assert not found[ALL].degraded


def test_labels_that_say_much_was_wrong_are_a_degradation(week):
    week.label(right=0.6)
    assert week.quality()[ALL].degraded
    assert week.quality()[ALL].may_be_harmed


def test_what_is_older_than_retention_is_forgotten(week, kit):
    with kit.begin() as transaction:
        transaction.forget(kit.now + 3600, 60.0)
    assert week.drawn() == []
    assert week.quality() == {}
