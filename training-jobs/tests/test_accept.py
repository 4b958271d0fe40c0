"""Accepting traffic: which version, what is refused, and where the file is kept."""

import hashlib
import json

import pytest

from lifecycle.stages import Stage
from training_jobs.accept import accept, find_version, measure_texts, refuse_pages
from training_jobs.refusals import JobRefused

DIGEST = "sha256:" + "a" * 64


class FakeMonitor:
    """Implements `ports.Monitor` in memory."""

    def __init__(self, findings=(), sha256=None):
        self.findings = findings
        self.sha256 = sha256
        self.accepted = {}

    def facts(self, _model, _days, _until):
        return {"findings": self.findings}

    def accept(self, model, digest, content):
        self.accepted[model, digest] = content
        sha256 = self.sha256 or "sha256:" + hashlib.sha256(content).hexdigest()
        return {"sha256": sha256, "rows": 6000, "texts": 90_000}


def finding(severity, digest=DIGEST):
    return {"digest": digest, "severity": severity, "text": "length on slice all is down"}


def test_the_file_is_an_artifact_by_its_digest_and_what_traffic_is_compared_with(fakes):
    monitor, tracker = FakeMonitor(), fakes.FakeTracker()
    result = accept(monitor, tracker, ("sentiment", DIGEST), b"rows")

    ((experiment, _), run) = next(iter(tracker.runs.items()))
    assert (experiment, run.status) == ("sentiment-references", "FINISHED")
    assert run.files == {"accepted.safetensors": b"rows"}
    assert run.tags["sha256"] == result["sha256"]
    assert monitor.accepted == {("sentiment", DIGEST): b"rows"}
    assert (result["rows"], result["run_id"]) == (6000, run.run_id)


def test_a_file_that_arrived_otherwise_is_not_accepted(fakes):
    tracker = fakes.FakeTracker()
    monitor = FakeMonitor(sha256="sha256:other")
    with pytest.raises(JobRefused, match="took sha256:other"):
        accept(monitor, tracker, ("sentiment", DIGEST), b"rows")
    assert next(iter(tracker.runs.values())).status == "FAILED"


def test_a_time_in_which_drift_paged_is_not_accepted_as_usual():
    refuse_pages(FakeMonitor([finding("ticket"), finding("page", "sha256:other")]), "m", DIGEST, 14)
    with pytest.raises(JobRefused, match="length on slice all is down"):
        refuse_pages(FakeMonitor([finding("page")]), "m", DIGEST, 14)


def test_the_production_version_is_meant_unless_another_is_named(fakes):
    versions = [fakes.a_version(1, Stage.ARCHIVED), fakes.a_version(2, Stage.PRODUCTION)]
    registry = fakes.FakeRegistry(versions=versions)
    assert find_version(registry, "sentiment", "production") == versions[1].digest
    assert find_version(registry, "sentiment", "1") == versions[0].digest
    with pytest.raises(JobRefused, match="no version 9"):
        find_version(registry, "sentiment", "9")


@pytest.mark.parametrize("lines", ["", "no json", json.dumps({"text": "good"})])
def test_texts_that_cannot_be_measured_are_refused_with_their_file(tmp_path, lines):
    (tmp_path / "kept.jsonl").write_text(lines)
    with pytest.raises(JobRefused, match="cannot be measured"):
        measure_texts(tmp_path / "kept.jsonl", tmp_path / "none", DIGEST)
    with pytest.raises(JobRefused, match="--artifact"):
        measure_texts(tmp_path / "kept.jsonl", None, DIGEST)
