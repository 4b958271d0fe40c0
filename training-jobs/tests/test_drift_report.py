"""The weekly report: what it says, that it stands alone, and where it is kept."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

from training_jobs.drift_report.page import write_page
from training_jobs.drift_report.pictures import Line, Picture
from training_jobs.drift_report.story import Level, moved_signals, tell_story
from training_jobs.report import report

DAY = 86_400.0
DIGEST = "sha256:" + "b" * 64
FINE = {"n": 900, "lower": 0.87, "point": 0.88, "upper": 0.89}
POOR = {"n": 150, "lower": 0.76, "point": 0.8, "upper": 0.83}


def quality(name="all", **known):
    held = {"slice": name, "start": 0.0, "end": 7 * DAY, "floor": 0.85, "estimated": FINE}
    held |= {"trusted": True, "novelty": 0.01, "measured": None, "measured_until": None}
    return held | {"degraded": False, "may_be_harmed": False} | known


def told(rows=900, novelty=0.01):
    means = dict.fromkeys(("confidence", "length", "unknown_words", "non_letter"), 0.5)
    return {"rows": rows, "novelty": novelty, "label_shares": [0.4, 0.6], "means": means}


def signal(detector="length", smallest_p=0.4, cusum=2.0, name="all"):
    series = [{"end": day * DAY, "n": 900, "cusum": cusum} for day in range(1, 8)]
    return {"slice": name, "detector": detector, "threshold": 10.0, "windows": 7} | {
        "smallest_p": smallest_p,
        "crossings": 0,
        "series": series,
    }


FINDING = {"digest": DIGEST, "slice": "domain=tweet", "detector": "length", "direction": "down"} | {
    "size": "typical length 12 words, was 186 words",
    "since": 4 * DAY,
    "severity": "page",
    "because": "40 % of the texts are unlike the Reference",
}


def facts(known=None, findings=(), **version):
    known = known or [quality()]
    version = {
        "digest": DIGEST,
        "labels": ["negative", "positive"],
        "rows": 6300,
        "rows_before": 7000,
        "naive_cosine": 0.09,
        "reference": {"rows": 5000, "accuracy": 0.88, "label_shares": [0.5, 0.5], "means": {}},
        "quality": known,
        "slices": [{"slice": each["slice"]} | told() for each in known],
        "series": [{"start": day * DAY, "estimated": FINE} | told() for day in range(7)],
        "signals": [signal()],
        "labelling": [
            {"cohort": 0.0, "listed": 200, "labelled": 80, "median_delay_seconds": 7200.0}
        ],
    } | version
    return {"model": "sentiment", "start": 0.0, "end": 7 * DAY, "accuracy_loss": 0.03} | {
        "versions": [version],
        "findings": list(findings),
    }


MEASURED_POOR = quality(measured=POOR, measured_until=7 * DAY, may_be_harmed=True)


@pytest.mark.parametrize(
    ("week", "level"),
    [
        (facts(), Level.QUIET),
        (facts(findings=[FINDING]), Level.CHANGED),
        (
            facts(
                [quality(), quality("domain=tweet", trusted=False, may_be_harmed=True)], [FINDING]
            ),
            Level.UNSURE,
        ),
        (facts([MEASURED_POOR]), Level.HARM),
        (facts([quality(degraded=True)]), Level.HARM),
        (facts([quality(measured=POOR, measured_until=0.0)]), Level.QUIET),
    ],
    ids=["quiet", "changed", "a slice in doubt", "measured", "degraded", "labels of before"],
)
def test_a_week_matters_as_much_as_it_may_harm(week, level):
    assert tell_story(week).level is level


def test_the_paragraph_says_what_changed_where_since_when_and_whether_it_matters():
    words = tell_story(facts(findings=[FINDING])).paragraph
    assert "answered 6,300 texts, 10% fewer" in words
    assert "since 5 January, 00:00 UTC: how long the texts are" in words
    assert "on domain=tweet" in words
    assert "estimated at 88.0% (87.0% to 89.0%); promised were at least 85.0%" in words


def test_what_to_do_names_commands_that_exist_and_how_much_is_left_to_label():
    assert tell_story(facts()).actions == [
        "Label the 120 texts that isogloss drift labels sentiment names."
    ]
    assert "isogloss rollout rollback sentiment" in tell_story(facts([MEASURED_POOR])).actions[0]


def test_an_estimate_that_is_not_to_be_trusted_is_not_told():
    words = tell_story(facts([quality(trusted=False, novelty=0.2, may_be_harmed=True)])).paragraph
    assert "cannot be estimated: 20% of the texts" in words
    assert "88.0%" not in words


def test_signals_worth_a_look_are_those_that_stand_out_among_all():
    quiet = [signal(smallest_p=0.2) for _ in range(20)]
    found = moved_signals([*quiet, signal("embedding", 1e-6)])
    assert [each["detector"] for each in found] == ["embedding"]


def test_the_page_stands_alone_and_lets_nothing_in_that_a_caller_named():
    nasty = "domain=<script>alert(1)</script>"
    week = facts([quality(), quality(nasty)], [FINDING | {"slice": nasty}])
    page = write_page(week, tell_story(week))
    assert "<script" not in page
    assert "a page</span>: 40 % of the texts" in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href|url)\s*[=(]", page)
    assert page.count("<svg") == 4


def test_a_picture_is_well_formed_and_keeps_its_points_inside():
    line = Line("a & b", [(0.0, 0.2), (5.0, 0.9), (12.0, 0.5)])
    drawn = Picture(0.0, 10.0, [line], limits=[("limit", 0.95)], percent=True).draw("share")
    svg = ET.fromstring(drawn[: drawn.index("</svg>") + 6])  # noqa: S314 - our own
    (path,) = [p.get("d") for p in svg.iter("path") if p.get("class") == "line"]
    points = [tuple(map(float, point.split())) for point in path[1:].split("L")]
    assert len(points) == 3
    assert all(0 < x <= 760 and 0 < y < 220 for x, y in points)


def test_a_week_with_one_point_and_no_window_is_drawn_too():
    week = facts(series=[{"start": 0.0, "estimated": FINE} | told()], signals=[], labelling=[])
    page = write_page(week, tell_story(week))
    assert "No Window had texts enough" in page
    assert "No list has been made yet" in page


class FakeMonitor:
    def __init__(self):
        self.kept = {}

    def keep_report(self, model, until, report):
        self.kept[model, until] = report


def test_a_report_is_a_run_with_artifacts_and_kept_in_the_monitor(fakes):
    tracker, monitor = fakes.FakeTracker(), FakeMonitor()
    result = report(monitor, tracker, facts(findings=[FINDING]))
    ((experiment, name), run) = next(iter(tracker.runs.items()))
    assert (experiment, name) == ("sentiment-reports", "sentiment-report-19700108T000000Z")
    assert run.files.keys() == {"report.html", "facts.json", "summary.txt"}
    assert run.tags["level"] == "CHANGED"
    assert result["run_id"] == run.run_id
    kept = monitor.kept["sentiment", 7 * DAY]
    assert kept["page"].encode() == run.files["report.html"]
    assert kept["summary"] == result["summary"]
    assert json.loads(kept["facts"])["model"] == "sentiment"


def test_a_signal_against_accepted_traffic_is_named_as_such():
    found = [FINDING, FINDING | {"detector": "accepted:length"}]
    told = facts(findings=found)
    story = tell_story(told)
    assert story.paragraph.count("how long the texts are") == 1
    assert "how long the texts are, against accepted traffic" in write_page(told, story)
