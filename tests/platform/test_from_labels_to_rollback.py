"""The whole platform with its real parts: the demo's story with models that learnt little.

Counts are the load generator's and the ledger's, as the demo's summary quotes them.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PORTS_NEEDED = 40
FIRST_PORTS = range(20000, 30000, PORTS_NEEDED)
LIMIT_SECONDS = 900

pytestmark = pytest.mark.timeout(LIMIT_SECONDS + 60)


def run_of_free_ports():
    """Return the first port of a row that nobody listens on; below the ephemeral range."""
    for first in FIRST_PORTS:
        if all(is_free(port) for port in range(first, first + PORTS_NEEDED)):
            return first
    pytest.fail("no row of free ports")
    return None


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def isogloss(home, *arguments):
    command = [sys.executable, "-m", "isogloss", "--home", str(home), *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ISOGLOSS_")}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def of_home(home):
    """Return every process that was started with the home in its arguments or settings."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and speaks_of(p, home)]


def speaks_of(process, home):
    try:
        said = [*process.cmdline(), *process.environ().values()]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return any(str(home) in text for text in said)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("platform") / "home"
    yield home
    isogloss(home, "down")
    for process in of_home(home):
        process.send_signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def summary(home):
    written = home.parent / "summary.json"
    policy = HERE / "small-policy.yaml"
    options = ["--rows", "2000", "--policy", str(policy), "--summary", str(written)]
    ended = isogloss(home, "demo", *options, "--ports-from", str(run_of_free_ports()))
    assert ended.returncode == 0, f"{ended.stdout[-6000:]}\n{ended.stderr[-3000:]}"
    return json.loads(written.read_bytes())


def ends(summary):
    names = {version["digest"]: name for name, version in summary["versions"].items()}
    return {(names[end["candidate"]], end["phase"]) for end in summary["rollouts"]}


def test_every_rollout_ends_as_its_version_deserves(summary):
    assert ends(summary) == {
        ("keras", "SUCCEEDED"),
        ("tfidf", "SUCCEEDED"),
        ("flipped", "ABORTED"),
        ("dear", "ROLLED_BACK"),
    }
    stages = {name: version["stage"] for name, version in summary["versions"].items()}
    assert stages == {
        "keras": "PRODUCTION",
        "tfidf": "ARCHIVED",
        "flipped": "ARCHIVED",
        "dear": "ARCHIVED",
    }


@pytest.mark.parametrize("run", ["first-users", "better-version", "drill-flipped", "in-domain"])
def test_no_request_fails_while_versions_change(summary, run):
    counts = summary["loads"][run]

    assert counts["complete"]
    assert counts["requests"] > 100
    assert counts["failures"] == counts["not_sent"] == 0


def test_users_are_answered_by_both_versions_while_the_traffic_moves(summary):
    answered = summary["loads"]["better-version"]["versions"]

    assert set(answered) == {summary["versions"][name]["digest"] for name in ("keras", "tfidf")}


def test_a_version_stopped_in_shadow_never_answers_a_user(summary):
    flipped = summary["versions"]["flipped"]["digest"]

    assert not [name for name, counts in summary["loads"].items() if flipped in counts["versions"]]


def test_a_version_that_is_worse_than_production_is_refused_with_the_interval(summary):
    keras = summary["versions"]["keras"]["digest"]
    denied = [
        body
        for body in summary["denials"]
        if body["asked"].get("transition", {}).get("digest") == keras
    ]

    reasons = [r for body in denied for r in body["verdict"]["reasons"] if r["outcome"] != "PASS"]
    assert any("macro_f1_difference" in reason["text"] for reason in reasons)


def test_going_back_is_in_effect_within_a_second_by_itself_and_by_hand(summary):
    by_hand, automatic = summary["rollbacks"]

    assert automatic["automatic"]
    assert automatic["left"] == summary["versions"]["dear"]["digest"]
    assert not by_hand["automatic"]
    assert by_hand["to"] == summary["versions"]["keras"]["digest"]
    for rollback in (automatic, by_hand):
        assert rollback["effective_milliseconds"] < 1000
        assert rollback["last_sent_milliseconds"] < 1000
    assert by_hand["failed_requests"] == 0


def test_waivers_name_one_gate_of_one_drilled_version(summary):
    drilled = {summary["versions"][name]["digest"] for name in ("flipped", "dear")}

    assert {waiver["digest"] for waiver in summary["waivers"]} <= drilled
    assert summary["waivers"]
    assert {waiver["move"] for waiver in summary["waivers"]} == {"REGISTERED->STAGING"}


def test_another_domain_is_found_and_the_usual_one_is_not(summary):
    keras = summary["versions"]["keras"]["digest"]
    found = [f for f in summary["drift"]["findings"] if f["digest"] == keras]

    in_domain, other = (summary["loads"][name] for name in ("in-domain", "other-domain"))
    assert found
    assert min(finding["found_at"] for finding in found) > other["started_at"]
    assert in_domain["requests"] > 0


def test_the_ledger_is_whole(summary):
    assert summary["ledger"]["problem"] is None
    assert summary["ledger"]["entries"] > 20


def test_the_services_stay_up_and_down_leaves_nothing(summary, home):
    assert summary
    assert isogloss(home, "status").returncode == 0

    stopped = isogloss(home, "down")

    assert stopped.returncode == 0
    assert list((home / "run").glob("*.json")) == []
    assert of_home(home) == []
