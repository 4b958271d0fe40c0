"""Accepted traffic: the file that the jobs make of texts is one that the drift-monitor reads, and
what the drift-monitor tells of it is what the jobs and the command show.
"""

from drift_monitor.accepted import FEWEST_ROWS, read_accepted
from drift_monitor.references import read_reference
from drift_monitor.traffic_ports import AcceptedFile
from drift_monitor.traffic_samples import MOST_ROWS as MOST_TAKEN
from textmodels.families import fit_family
from textmodels.reference import build_reference
from textmodels.traffic_reference import MOST_ROWS, Traffic, build_traffic_reference

DIGEST = "sha256:" + "a" * 64


def test_texts_measured_by_a_job_are_read_by_the_monitor():
    texts = [f"a {word} film {n % 7} times" for n in range(100) for word in ("good", "bad")]
    labels = ["positive", "negative"] * 100
    fitted = fit_family("tfidf_linear", texts, labels, {}, 1, lambda _: None)
    own = build_reference(fitted.predictor, texts, labels).to_bytes()
    times = [600.0 * n for n in range(FEWEST_ROWS)]
    traffic = Traffic((texts * 25)[:FEWEST_ROWS], times)
    content = build_traffic_reference(fitted.predictor, DIGEST, traffic)

    reference = read_reference(own, tuple(fitted.predictor.labels))
    accepted = read_accepted(AcceptedFile(DIGEST, "sha256:1", 0.0, content), reference)
    assert len(accepted.rows) == FEWEST_ROWS
    assert MOST_ROWS == MOST_TAKEN
    assert accepted.sample("all").n == FEWEST_ROWS
    assert (accepted.about.start, accepted.about.end) == (times[0], times[-1])
