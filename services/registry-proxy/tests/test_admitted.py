"""Which versions a cluster may run, and keeping it in step, whatever happens on the way."""

import asyncio
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from lifecycle.ledger import Draft, EntryKind
from lifecycle.model_states import ModelState, VersionState
from lifecycle.stages import Stage
from registry_proxy.adapters.admitted_object import AdmittedObject
from registry_proxy.adapters.ledger_database import open_sqlite
from registry_proxy.adapters.sql_ledger import SqlLedger
from registry_proxy.ledger.admitted import admitted_versions
from registry_proxy.ledger.keep_admitted import AdmittedKeeper, Pace
from registry_proxy.ledger.ports import AdmittedUnavailable, Page
from servicekit.kubernetes_api import grouped

AdmittedSuite = sys.modules["registry_proxy_admitted_suite"].AdmittedSuite
PATH = grouped("isogloss.dev/v1alpha1", "models", "admittedversions", "isogloss-admitted")


def a_digest(letter):
    return "sha256:" + letter * 64


def a_state(name="sentiment", productions="", **stages):
    versions = tuple(
        VersionState(number, a_digest(letter), Stage(stage), 0.0, {}, {})
        for number, (letter, stage) in enumerate(stages.items(), 1)
    )
    return ModelState(name, len(versions), None, versions, None, tuple(map(a_digest, productions)))


def test_offered_and_serving_versions_are_admitted_as_what_they_are():
    state = a_state(a="STAGING", b="SHADOW", c="PRODUCTION", d="REGISTERED", e="ARCHIVED")

    assert admitted_versions([state]) == {
        "sentiment." + "a" * 64: "STAGING",
        "sentiment." + "b" * 64: "SHADOW",
        "sentiment." + "c" * 64: "PRODUCTION",
    }


def test_every_version_that_was_in_production_can_be_gone_back_to():
    state = a_state(a="ARCHIVED", b="ARCHIVED", c="PRODUCTION", productions="abac")

    assert set(admitted_versions([state]).values()) == {"BASELINE", "PRODUCTION"}
    assert admitted_versions([state])["sentiment." + "a" * 64] == "BASELINE"


def test_an_earlier_production_that_is_offered_again_is_admitted_as_that():
    state = a_state(a="STAGING", b="PRODUCTION", productions="ab")

    assert admitted_versions([state])["sentiment." + "a" * 64] == "STAGING"


def test_models_with_the_same_bytes_are_admitted_apart():
    assert len(admitted_versions([a_state("one", a="STAGING"), a_state("two", a="STAGING")])) == 2


def test_where_not_all_fit_each_model_keeps_its_newest():
    letters = "0123456789abcdef"
    many = a_state("many", productions=letters, **dict.fromkeys(letters, "ARCHIVED"))
    few = a_state("few", productions="ab", a="ARCHIVED", b="PRODUCTION")

    wanted = admitted_versions([many, few], most_bytes=600)

    assert [key[:6] for key in wanted] == [
        *("many.f", "many.e", "many.d", "many.c"),
        *("few.bb", "few.aa"),
    ]


@dataclass
class Scene:
    admitted: Any
    run: Any


class FakeAdmitted:
    """Implements `AdmittedVersions` in memory."""

    def __init__(self):
        self.held = {}
        self.failure = None
        self.asked = threading.Semaphore(0)

    async def put(self, wanted):
        self.asked.release()
        if self.held is None or self.failure:
            raise AdmittedUnavailable(self.failure or "there is none")
        changed, self.held = self.held != wanted, dict(wanted)
        return changed


class TestFakeAdmitted(AdmittedSuite):
    @pytest.fixture
    def scene(self, run):
        admitted = FakeAdmitted()
        scene = Scene(admitted, run)
        scene.read = lambda: admitted.held
        scene.tamper = lambda key, value: admitted.held.update({key: value})
        scene.remove = lambda: setattr(admitted, "held", None)
        return scene


class TestAdmittedObject(AdmittedSuite):
    @pytest.fixture
    def scene(self, run, api_server):
        api_server.put(PATH)
        api = api_server.open()
        scene = Scene(AdmittedObject(api, "models", "isogloss-admitted"), run)
        scene.read = lambda: api_server.objects[PATH].get("data", {})
        scene.tamper = lambda key, value: api_server.put(PATH, data={**scene.read(), key: value})
        scene.remove = api_server.objects.clear
        yield scene
        run(api.close())


class Kept:
    """A keeper that runs in a thread of its own, on a real ledger and fake admitted versions."""

    def __init__(self, folder, pace):
        self.now = 1000.0
        self.admitted = FakeAdmitted()
        self._database = open_sqlite(folder / "ledger.db")
        self.ledger = SqlLedger(self._database, lambda: self.now, self._told)
        self.keeper = AdmittedKeeper(self.ledger, self.admitted, lambda: self.now, pace)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()
        self._database.close()

    def stage(self, letter):
        digest = a_digest(letter)
        seq = self.ledger.state("sentiment").seq
        body = {"number": seq + 1, "digest": digest, "lineage": {}, "metadata": {}}
        moved = {"digest": digest, "before": "REGISTERED", "after": "STAGING"}
        drafts = (Draft(EntryKind.REGISTERED, "x", body), Draft(EntryKind.TRANSITION, "x", moved))
        self.ledger.append("sentiment", seq, Page(drafts))

    def _told(self, _entries):
        self.keeper.wake()

    def _run(self):
        self._task = self._loop.create_task(self.keeper.run())
        self._loop.run_until_complete(asyncio.wait({self._task}))


def until(seen, seconds=20):
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def keep(tmp_path):
    started = []

    def start(**pace):
        started.append(Kept(tmp_path, Pace(**pace)).start())
        return started[-1]

    yield start
    for kept in started:
        kept.stop()


def test_an_entry_is_projected_at_once(keep):
    kept = keep(look=600)
    until(lambda: kept.keeper.stale_seconds() == 0)

    kept.stage("a")

    until(lambda: kept.admitted.held == {"sentiment." + "a" * 64: "STAGING"})


def test_what_somebody_else_changed_is_put_right(keep):
    kept = keep(look=0.02)
    kept.stage("a")
    until(lambda: len(kept.admitted.held) == 1)

    kept.admitted.held = {"sentiment." + "f" * 64: "PRODUCTION"}

    until(lambda: kept.admitted.held == {"sentiment." + "a" * 64: "STAGING"})


def test_while_the_cluster_does_not_answer_it_says_for_how_long(keep):
    kept = keep(look=600, first_retry=0.01, last_retry=0.02)
    until(lambda: kept.keeper.stale_seconds() == 0)
    kept.admitted.failure = "the API server is away"
    kept.stage("a")
    until(lambda: kept.admitted.asked.acquire(timeout=10) and kept.keeper._behind_since)
    kept.now += 30
    assert kept.keeper.stale_seconds() == 30

    kept.admitted.failure = None

    until(lambda: kept.keeper.stale_seconds() == 0)
    assert len(kept.admitted.held) == 1


def test_it_is_tried_again_more_and_more_slowly(keep):
    kept = keep(look=600, first_retry=0.01, last_retry=600)
    kept.admitted.failure = "the API server is away"
    began = time.monotonic()
    for _ in range(6):
        assert kept.admitted.asked.acquire(timeout=20)

    assert time.monotonic() - began >= 0.01 * (2 + 4 + 8 + 16) - 0.01


def test_the_process_in_a_cluster_knows_its_callers_and_keeps_the_map(
    launch, kubeconfig, api_server, empty_world
):
    world = empty_world.start()
    world.put_policy()
    digest, seq = world.staged(), world.seq
    world.stop()
    account = "system:serviceaccount:models:isogloss-operator"
    api_server.put(PATH)
    api_server.issue("a token", account, "isogloss")
    api_server.grant(account, "models", "operator")
    cluster = {"callers": "kubernetes", "namespace": "models"}
    service = launch(environment=kubeconfig, admitted_versions="isogloss-admitted", **cluster)
    url = f"{service.ready().url}/v1/models/sentiment"
    until(lambda: list(api_server.objects[PATH].get("data", {}).values()) == ["STAGING"])
    body = {"digest": digest, "to": "ARCHIVED", "expected_seq": seq}

    def ask(token, method="POST", path="/transitions"):
        headers = {"authorization": f"Bearer {token}"}
        return httpx.request(method, url + path, json=body, headers=headers, trust_env=False)

    assert ask(world.tokens["operator"]).status_code == 401
    assert ask("a token").status_code == 200
    until(lambda: api_server.objects[PATH]["data"] == {})
    assert ask("a token", "GET", "/history").status_code == 403
    api_server.grant(account, "models", "viewer")
    until(lambda: ask("a token", "GET", "/history").status_code == 200)
    assert ask("a token", "GET", "/history").json()["entries"][-1]["actor"] == account


def test_a_cluster_that_cannot_be_found_stops_the_start_with_one_sentence(launch):
    service = launch(
        environment={"KUBECONFIG": "/nowhere"}, callers="kubernetes", namespace="models"
    )

    status, sentence = service.refused()

    assert status == 1
    assert "The cluster cannot be asked" in sentence
