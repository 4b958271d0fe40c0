import asyncio
import csv
import json
import sys
import threading
import time

import pyarrow as pa
import pytest
from pyarrow import parquet

from isogloss.adapters.processes import Processes, now
from isogloss.adapters.ways import FixedWay
from isogloss.clients.gateway import Gateway
from isogloss.failures import Misused
from isogloss.load.addresses import read_address
from isogloss.load.generator import LoadGenerator, LoadPlan
from isogloss.load.latencies import Latencies
from isogloss.load.run import LoadRun, run_load
from isogloss.load.tally import GATEWAY
from isogloss.load.texts import LabelledText, read_texts

TEXTS = [LabelledText(f"review {number}", "positive") for number in range(7)]
GOOD = (200, {"x-model-version": "sha256:aa", "x-request-id": "r"}, {"prediction": "positive"})


def a_plan(server, host=None, **changes):
    settings = {"rate": 200, "seconds": 0.2, "connections": 4, "timeout_seconds": 5} | changes
    return LoadPlan(read_address(Gateway(server.url, host)), **settings)


def load(server, **changes):
    generator = LoadGenerator(a_plan(server, **changes), TEXTS, now)
    asyncio.run(generator.run())
    return generator.tally.to_dict()


def test_every_request_of_the_schedule_is_sent_and_counted_by_version(server):
    server.answers["POST", "/predict"] = GOOD

    counts = load(server)

    assert counts["requests"] == 40 == len(server.seen)
    assert counts["failures"] == counts["not_sent"] == 0
    version = counts["versions"]["sha256:aa"]
    assert version["by_status"] == {"200": 40}
    assert version["first_answer_at"] <= version["last_sent_at"] <= version["last_answer_at"]
    assert version["last_failed_at"] is None


def test_the_texts_are_sent_as_json_in_turn_with_the_slices_as_headers(server):
    server.answers["POST", "/predict"] = GOOD

    load(server, seconds=0.05, connections=1, slices={"domain": "imdb"})

    bodies = [json.loads(body)["text"] for _, _, _, body in server.seen]
    assert bodies == [TEXTS[number % 7].text for number in range(10)]
    assert {headers["x-slice-domain"] for _, _, headers, _ in server.seen} == {"imdb"}


def test_a_run_begins_after_the_texts_that_are_skipped(server):
    server.answers["POST", "/predict"] = GOOD

    load(server, seconds=0.02, connections=1, skip=12)

    bodies = [json.loads(body)["text"] for _, _, _, body in server.seen]
    assert bodies == [TEXTS[number % 7].text for number in range(12, 16)]


def test_the_models_host_name_is_sent_in_place_of_the_address(server):
    server.answers["POST", "/predict"] = GOOD

    load(server, host="sentiment.example", seconds=0.01)

    assert {headers["host"] for _, _, headers, _ in server.seen} == {"sentiment.example"}


@pytest.mark.parametrize("url", ["https://10.0.0.1", "http://10.0.0.1/path", "http://h:99999"])
def test_only_plain_http_is_loaded(url):
    with pytest.raises(Misused, match="the gateway's address"):
        read_address(Gateway(url))


def test_anything_but_200_is_a_failure_of_the_version_that_gave_it(server):
    answers = iter([GOOD, (503, {"x-model-version": "sha256:bb"}, {}), (503, {}, {}), *[GOOD] * 99])
    server.answers["POST", "/predict"] = lambda _: next(answers)

    counts = load(server, connections=1)

    assert counts["failures"] == 2
    assert counts["by_status"] == {"200": 38, "503": 2}
    assert counts["versions"]["sha256:bb"]["last_failed_at"]
    assert counts["versions"][GATEWAY]["by_status"] == {"503": 1}


def test_a_dropped_connection_is_a_failed_request_and_the_load_goes_on(server):
    answers = iter([GOOD, None, *[GOOD] * 99])
    server.answers["POST", "/predict"] = lambda _: next(answers)

    counts = load(server, connections=1)

    assert counts["unanswered"] == {"connection": 1}
    assert counts["failures"] == 1
    assert counts["by_status"] == {"200": 39}


def test_no_answer_in_time_is_a_failed_request(server):
    release = threading.Event()

    def slow_first(_):
        if len(server.seen) == 1:
            release.wait(20)
        return GOOD

    server.answers["POST", "/predict"] = slow_first
    try:
        counts = load(server, timeout_seconds=0.3, connections=2)
    finally:
        release.set()

    assert counts["unanswered"] == {"timeout": 1}
    assert counts["by_status"] == {"200": 39}


def test_nobody_listening_fails_every_request(server):
    server.close()
    try:
        counts = load(server, seconds=0.1)
    finally:
        server.thread = threading.Thread()
        server.server.shutdown = server.thread.join = server.server.server_close = lambda: None

    assert counts["failures"] == counts["requests"] == 20
    assert counts["unanswered"] == {"connection": 20}


def test_labels_go_to_the_drift_monitor_and_refused_ones_are_counted(server, tmp_path):
    server.answers["POST", "/predict"] = GOOD
    server.answers["POST", "/v1/feedback"] = (200, {}, {"accepted": 1})

    run = LoadRun(a_plan(server), TEXTS, tmp_path / "result.json", FixedWay(server.url, "token"))
    counts = run_load(run)

    feedback = [request for request in server.seen if request[1] == "/v1/feedback"]
    items = [item for request in feedback for item in json.loads(request[3])["items"]]
    assert counts["feedback"]["sent"] == len(items) == 40
    assert items[0] == {"request_id": "r", "label": "positive"}
    assert feedback[0][2]["Authorization"] == "Bearer token"
    assert json.loads((tmp_path / "result.json").read_bytes()) == counts
    assert counts["complete"]


def test_sigterm_ends_an_endless_load_with_its_counts(served_home, server, tmp_path):
    server.answers["POST", "/predict"] = GOOD
    texts, result = tmp_path / "texts.jsonl", tmp_path / "result.json"
    texts.write_text('{"text": "fine"}\n')
    command = [sys.executable, "-m", "isogloss", "--home", str(served_home.root), "load"]
    running = Processes(served_home)
    record = running.start(
        "load", [*command, str(texts), "--rate", "50", "--result", str(result)], {}
    )
    deadline = time.monotonic() + 60
    while not server.seen:
        assert time.monotonic() < deadline, running.last_lines("load")

    running.stop("load")

    assert running.exit_status(record) is not None
    counts = json.loads(result.read_bytes())
    assert counts["complete"]
    assert counts["requests"] == counts["by_status"]["200"] == len(server.seen)


def test_percentiles_are_within_two_percent():
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.add(milliseconds)

    assert latencies.percentile(0.5) == pytest.approx(500, rel=0.021)
    assert latencies.percentile(0.99) == pytest.approx(990, rel=0.021)
    assert latencies.percentile(1.0) == 1000
    assert Latencies().percentile(0.5) is None


def test_texts_are_read_from_parquet_csv_and_json_lines(tmp_path):
    rows = [{"review": "good, really", "sentiment": "positive"}, {"review": "bad"}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["review", "sentiment"])
        writer.writeheader()
        writer.writerows(rows)

    expected = [LabelledText("good, really", "positive"), LabelledText("bad", None)]
    for name in ("t.parquet", "t.csv", "t.jsonl"):
        assert read_texts(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.txt", "x", "must be a .parquet, .csv or .jsonl"),
        ("t.csv", "words\nfine\n", "without a column text or review"),
        ("t.jsonl", "{", "cannot be read"),
        ("t.parquet", "no parquet", "cannot be read"),
        ("t.jsonl", "", "holds no text"),
    ],
    ids=["unknown format", "no text column", "not JSON", "not Parquet", "empty"],
)
def test_a_file_that_cannot_be_sent_is_refused_with_the_reason(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)

    with pytest.raises(Misused, match=said):
        read_texts(tmp_path / name)
