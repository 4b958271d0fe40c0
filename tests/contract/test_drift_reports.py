"""The drift-monitor's facts are what the report is told from, and its report what is kept."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from drift_monitor.facts import report_facts
from drift_monitor.quality_schemas import ReportWritten
from drift_monitor.watch_quality import Promise, close_cohorts
from training_jobs.drift_report.page import write_page
from training_jobs.drift_report.story import tell_story
from training_jobs.report import report

ROOT = Path(__file__).parents[2]
BASELINE = "sha256:" + "b" * 64


@pytest.fixture(scope="module")
def builders():
    path = ROOT / "services/drift-monitor/tests/conftest.py"
    spec = importlib.util.spec_from_file_location("drift_monitor_builders", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def facts(builders, tmp_path):
    """What a monitor knows of an hour, as it goes over the wire."""
    kit = builders.Kit(tmp_path)
    kit.now, kit.rules = 3600.0, replace(kit.rules, cohort_seconds=600.0)
    kit.references.files[BASELINE] = builders.Traffic(seed=1).reference(1000)
    for number in range(4):
        document = builders.Traffic(seed=number).document(500, f"b{number}", start=500 * number)
        kit.count(document)
        kit.now += 60
    promise = Promise(0.03, 600.0, 3600.0)
    close_cohorts(kit.store, kit.shelf, 7200.0, promise)
    with kit.store.read() as transaction:
        told = report_facts(transaction, kit.shelf, "sentiment", (3600.0, 7200.0), promise)
    kit.store.close()
    return json.loads(json.dumps(told, allow_nan=False))


def test_a_story_and_a_page_are_made_from_what_the_monitor_tells(facts):
    story = tell_story(facts)
    page = write_page(facts, story)
    assert "answered 2,000 texts" in story.paragraph
    assert "isogloss drift labels sentiment" in story.actions[0]
    assert page.count("<svg") >= 3


def test_what_the_job_hands_in_is_what_the_monitor_takes(facts):
    handed = {}

    class Monitor:
        def keep_report(self, model, until, written):
            handed[model, until] = ReportWritten.model_validate(written)

    class Tracker:
        def run(self, *_):
            return _Run()

    result = report(Monitor(), Tracker(), facts)
    assert handed["sentiment", 7200.0].summary == result["summary"]


class _Run:
    run_id = "1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def log_params(self, _):
        """Log nothing."""

    log_metrics = log_files = log_params
