"""The offline Gate's measurements: which rows, whose answers, which counts, bound to what."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import yaml

from lifecycle.digests import sha256_digest
from lifecycle.evidence import PAYLOAD_TYPE, EvidenceKind, evidence_from_document
from lifecycle.policy_files import read_policy
from lifecycle.served_models import read_served_model
from lifecycle.stages import Stage
from servicekit.signing import Verifier, generate_key
from stats.classification import Cells, macro_f1
from training_jobs.adapters.packages import Sources
from training_jobs.dataset.prepare import prepare
from training_jobs.dataset.prepared import read_lock
from training_jobs.dataset.specs import load_spec
from training_jobs.evaluate import Target, find_target, hand_in, load_pinned, measure, place_both
from training_jobs.gate.asking import ask_texts, label_indices
from training_jobs.gate.evaluation import Places
from training_jobs.gate.latency import Latencies, Load, measure_latencies, measurement_of
from training_jobs.gate.leakage import measure_leakage
from training_jobs.progress import tell
from training_jobs.refusals import JobRefused

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentiment"
POLICY = {
    "kind": "GatePolicy",
    "name": "sentiment",
    "version": "1.0.0",
    "evidence_max_age_hours": 2,
    "gates": [
        {
            "name": "quality",
            "guards": ["REGISTERED->STAGING", "ARCHIVED->STAGING", "STAGING->PRODUCTION"],
            "evidence": "offline",
            "rules": [{"measure": "macro_f1", "at_least": 0.8}],
        },
        {
            "name": "speed",
            "guards": ["REGISTERED->STAGING"],
            "evidence": "latency",
            "load_per_second": 5000,
            "rules": [{"measure": "latency_ms_p95", "at_most": 150}],
        },
        {
            "name": "shadow",
            "guards": ["SHADOW->CANARY"],
            "evidence": "shadow",
            "rules": [{"measure": "disagreement", "at_most": 0.1}],
        },
        {
            "name": "canary",
            "guards": ["SHADOW->PRODUCTION"],
            "evidence": "canary",
            "rules": [{"measure": "error_ratio", "at_most": 0.1}],
        },
    ],
}
POLICY_BYTES = yaml.safe_dump(POLICY).encode()


def knows(text):
    """Answer as somebody who can read the tiny project's reviews."""
    good = any(word in text for word in ("wonderful", "moving", "brilliant"))
    return "positive" if good else "negative"


def always_positive(_text):
    return "positive"


@pytest.fixture
def data(project, home):
    spec = load_spec(project)
    sources = Sources(project, home / "cache", tell)
    prepare(spec, home / "data", sources.read, tell)
    return home / "data"


@pytest.fixture
def lock(data):
    return read_lock(data / "tiny-1.0.0")


@pytest.fixture
def target(fakes, lock):
    production = fakes.a_version(1, Stage.PRODUCTION, test_set_digest=lock.test_set_digest)
    pinned = {"test_set_digest": lock.test_set_digest, "dataset_digest": lock.dataset_digest}
    candidate = fakes.a_version(2, **pinned, image="none")
    registry = fakes.FakeRegistry(POLICY_BYTES, [production, candidate])
    return find_target(registry, "sentiment", "2")


@pytest.fixture
def measured(fakes, data, target, home):
    """Offline and latency Evidence of one who knows against one who always says positive."""
    places = Places(fakes.FakePlace(knows), fakes.FakePlace(always_positive))
    pinned = load_pinned(data, target.subjects.dataset)
    return measure(target, places, pinned, 1234, home / "evaluations")


def test_evidence_is_bound_to_every_byte_it_was_measured_with(measured, target, lock, fakes):
    (offline, latency), _ = measured

    assert (offline.kind, latency.kind) == (EvidenceKind.OFFLINE, EvidenceKind.LATENCY)
    assert offline.subjects == latency.subjects == target.subjects
    assert offline.subjects.model == fakes.a_version(2).digest
    assert offline.subjects.baseline == fakes.a_version(1).digest
    assert offline.subjects.dataset == lock.test_set_digest
    assert offline.subjects.policy == sha256_digest(POLICY_BYTES)
    assert offline.expires_at - offline.produced_at == 2 * 3600


def test_evidence_is_handed_in_signed_by_the_gates_key(fakes, measured, tmp_path):
    signer = generate_key(tmp_path / "gate.pem")
    registry = fakes.FakeRegistry(POLICY_BYTES)
    evidence, _ = measured
    posted = hand_in(registry, signer, evidence)

    assert set(posted) == {"offline", "latency"}
    verifier = Verifier({signer.key_id: signer.public_text})
    for statement, (model, envelope) in zip(evidence, registry.posted, strict=True):
        payload_type, payload, key = verifier.open(envelope)
        assert (model, key, payload_type) == ("sentiment", signer.key_id, PAYLOAD_TYPE)
        assert evidence_from_document(json.loads(payload)) == statement


def test_cells_count_truth_baseline_and_candidate_on_every_slice(measured, lock):
    (offline, _), _ = measured
    names = {m.slice for m in offline.measurements if m.name == "cells"}

    assert names == {"all", "short", "medium", "long", "films", "books"}
    whole = offline.measurement("cells")
    assert whole.n == lock.sets["test"]["rows"] == 40
    assert all(cell[:3] in ([0, 1, 0], [1, 1, 1]) for cell in whole.counts["cells"])
    assert sum(cell[3] for cell in whole.counts["cells"]) == 40
    for name in ("short", "medium", "long"):
        assert offline.measurement("cells", name).n == lock.slices[name]
    assert offline.measurement("cells", "books").n == 20


def test_a_score_can_be_computed_from_the_cells_alone(measured):
    (offline, _), _ = measured
    cells = offline.measurement("cells").counts["cells"]
    rows = [cell[:3] for cell in cells for _ in range(cell[3])]
    truth, baseline, candidate = zip(*rows, strict=True)
    counted = Cells.from_rows(truth, candidate, baseline, classes=2)

    assert macro_f1(counted.candidate) == 1
    assert macro_f1(counted.baseline) < 0.5


def test_latencies_of_the_candidate_are_counted_on_the_fixed_buckets(measured):
    (_, latency), _ = measured
    found = latency.measurement("latency_ms")

    assert found.n == sum(count for _, count in found.counts["buckets"]) == 1000
    assert set(latency.details["p95_ms"]) == {"candidate", "baseline"}


def test_both_versions_latencies_and_the_footprint_are_stated(measured):
    (_, latency), _ = measured
    pair, footprint = (latency.measurement(name) for name in ("latency_pair", "footprint"))

    assert sum(count for _, count in pair.counts["baseline"]) == pair.n == 1000
    assert footprint.counts == {"artifact_bytes": 1234, "memory_bytes": 50_000_000}


def test_calibration_is_counted_in_bins(measured):
    (offline, _), _ = measured
    bins = offline.measurement("calibration").counts["bins"]

    assert sum(row[0] for row in bins) == 40
    assert sum(row[2] for row in bins) == pytest.approx(40 * 0.9)


def test_a_split_without_near_duplicates_leaks_nothing(measured, lock):
    (offline, _), _ = measured
    leakage = offline.measurement("leakage")

    assert leakage.counts == {"n": 40, "leaked": 0, "identical": 0}
    assert leakage.source == lock.dataset_digest


def test_leaked_rows_are_counted_whether_they_are_the_same_or_nearly(data, lock):
    pinned = load_pinned(data, lock.test_set_digest)
    test = pinned.sets["test"]
    words = max(test.texts, key=len).split()
    train = replace(
        pinned.train,
        texts=(test.texts[0], " ".join([*words[:-1], "otherwise"]), *pinned.train.texts[2:]),
    )

    counts = measure_leakage(train, test, "a test", 0.0).counts
    assert (counts["leaked"], counts["identical"]) == (2, 1)


def test_leakage_of_another_preparation_is_not_measured(fakes, data, lock, home):
    version = fakes.a_version(1, test_set_digest=lock.test_set_digest, dataset_digest="other")
    target = find_target(fakes.FakeRegistry(POLICY_BYTES, [version]), "sentiment", "1")
    pinned = load_pinned(data, target.subjects.dataset)
    places = Places(fakes.FakePlace(knows), None)
    (offline, _), _ = measure(target, places, pinned, 1, home / "evaluations")

    assert offline.measurement("leakage") is None


def test_who_answered_what_is_kept_by_row_id_without_texts(measured, target):
    _, path = measured
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == 60
    assert {len(row["row_id"]) for row in rows} == {64}
    assert all(row["candidate"] == row["truth"] for row in rows)
    assert {row["baseline"] for row in rows} == {"positive"}
    assert target.subjects.model[7:19] in path.name


def test_without_a_baseline_its_column_is_minus_one(fakes, data, lock, home):
    version = fakes.a_version(1, test_set_digest=lock.test_set_digest)
    registry = fakes.FakeRegistry(POLICY_BYTES, [version])
    target = find_target(registry, "sentiment", version.digest)
    pinned = load_pinned(data, target.subjects.dataset)
    places = Places(fakes.FakePlace(knows), None)
    (offline, _), _ = measure(target, places, pinned, 1234, home / "evaluations")

    assert target.subjects.baseline == "none"
    assert {cell[1] for cell in offline.measurement("cells").counts["cells"]} == {-1}


def test_an_answer_that_is_no_label_of_the_test_set_is_refused(fakes, data, lock):
    pinned = load_pinned(data, lock.test_set_digest)
    answers = [fakes.sure_of("neutral")]

    with pytest.raises(JobRefused, match="the candidate answers 'neutral'"):
        label_indices(answers, pinned.lock.labels, "candidate")


def test_answers_keep_the_order_of_the_rows(fakes, data, lock):
    pinned = load_pinned(data, lock.test_set_digest)
    rows = pinned.sets["test"]
    found = ask_texts({"candidate": fakes.FakePlace(knows)}, rows.texts)["candidate"]

    assert label_indices(found, pinned.lock.labels, "candidate") == list(rows.labels)


def test_a_version_that_is_not_there_is_refused_with_those_that_are(fakes):
    registry = fakes.FakeRegistry(POLICY_BYTES, [fakes.a_version(1)])

    with pytest.raises(JobRefused, match="its versions are: 1"):
        find_target(registry, "sentiment", "7")


def test_a_policy_replaced_meanwhile_is_refused(fakes):
    registry = fakes.FakeRegistry(POLICY_BYTES, [fakes.a_version(1)])
    registry.policies["sentiment"] = POLICY_BYTES + b"# changed\n"

    with pytest.raises(JobRefused, match="was just replaced"):
        find_target(registry, "sentiment", "1")


def test_both_versions_must_be_given_when_one_is_in_production(target):
    with pytest.raises(JobRefused, match="give --baseline-url"):
        place_both(target, "http://127.0.0.1:8400", None)

    assert place_both(target, "http://127.0.0.1:8400", "http://127.0.0.1:8402").baseline


def test_a_baseline_is_refused_when_nothing_is_in_production(fakes):
    registry = fakes.FakeRegistry(POLICY_BYTES, [fakes.a_version(1)])
    target = find_target(registry, "sentiment", "1")

    with pytest.raises(JobRefused, match="leave out --baseline-url"):
        place_both(target, "http://127.0.0.1:8400", "http://127.0.0.1:8402")


def test_production_measured_again_is_compared_with_itself(fakes):
    registry = fakes.FakeRegistry(POLICY_BYTES, [fakes.a_version(1, Stage.PRODUCTION)])
    target = find_target(registry, "sentiment", "1")

    assert isinstance(target, Target)
    assert place_both(target, "http://127.0.0.1:8400", None).baseline


def test_the_warm_up_is_not_counted(fakes):
    load = Load(["a", "b"], per_second=2000, requests=20, warm_up=5)
    place = fakes.FakePlace(knows)
    measured = measure_latencies({"candidate": place}, load)

    assert len(measured["candidate"].milliseconds) == 20
    assert place.opened == 32


def test_waiting_for_a_connection_counts(fakes):
    # 64 requests are due at once, 32 go first: the others wait 20 ms for them.
    pause = Event()
    place = fakes.FakePlace(lambda _text: pause.wait(0.02) or "positive")
    load = Load(["a"], per_second=100_000, requests=64, warm_up=0)
    measured = measure_latencies({"candidate": place}, load)["candidate"]

    assert sorted(measured.milliseconds)[32] > 35


def test_a_prediction_that_was_not_given_counts_as_slower_than_all():
    latencies = Latencies([1.0, math.inf, 2.0], 0.0, 1.0)
    buckets = measurement_of(latencies, "a test").counts["buckets"]

    assert latencies.failed == 1
    assert buckets[-1][1] == 1
    assert sum(count for _, count in buckets) == 3


def test_the_example_holds_the_limits_it_promises():
    policy = read_policy(yaml.safe_load((EXAMPLE / "policy.yaml").read_text()))
    served = read_served_model(yaml.safe_load((EXAMPLE / "served-model.yaml").read_text()))

    assert policy.name == served.name == "sentiment"
    limits = {(r.measure, r.slice): r.limit for gate in policy.gates for r in gate.rules}
    assert limits["macro_f1", "all"].value == 0.80
    assert limits["macro_f1", "long"].value == 0.75
    assert limits["latency_ms_p95", "all"].value == 150
    slow = {g.slow_ms for g in policy.gates if g.evidence is EvidenceKind.CANARY}
    assert slow == {served.objective.latency_milliseconds}
