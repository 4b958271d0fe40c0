"""The lane says what the app says. A request with a query is the app's alone, so the same question
with `?` and one letter behind it tells what the app says now.
"""

import asyncio
import sqlite3
import threading

import pytest

from lifecycle.ledger import Draft, EntryKind
from registry_proxy.adapters.ledger_database import open_sqlite
from registry_proxy.adapters.sql_ledger import SqlLedger
from registry_proxy.ledger.ports import Page
from registry_proxy.looks import Looks

M = "/v1/models/sentiment/versions"
NOBODY = "sha256:" + "0" * 64
PATHS = {
    "number": f"{M}/1",
    "digest": f"{M}/{{digest}}",
    "stage": f"{M}/production",
    "empty stage": f"{M}/shadow",
    "unknown number": f"{M}/7",
    "number with a zero": f"{M}/01",
    "unknown digest": f"{M}/{NOBODY}",
    "unknown model": "/v1/models/nothing/versions/1",
    "name of no model": "/v1/models/Sentiment/versions/1",
    "encoded slash": f"{M}/1%2Fwhy",
    "encoded letter": f"{M}/%31",
    "line end": f"{M}/1%0A",
    "slash behind": f"{M}/1/",
    "other digit": f"{M}/%D9%A1",
    "nothing": f"{M}/",
    "manifest": "/v1/artifacts/{digest}/manifest",
    "unknown manifest": f"/v1/artifacts/{NOBODY}/manifest",
    "manifest of no digest": "/v1/artifacts/latest/manifest",
    "digest in capitals": "/v1/artifacts/sha256:" + "A" * 64 + "/manifest",
}
TAGS = [None, '"{digest}"', 'W/"{digest}"', '"x", "{digest}"', "{digest}", "*", "", '"x"' * 90]
AUTHORIZATIONS = {
    "none": [],
    "empty": ["Bearer "],
    "other scheme": ["Basic token of predictor"],
    "small letters": ["bearer token of predictor"],
    "spaces": ["Bearer   token of predictor "],
    "unknown": ["Bearer somebody"],
    "not ASCII": ["Bearer t\xf6ken"],
    "first counts": ["Bearer token of predictor", "Bearer somebody"],
    "first does not count": ["Bearer somebody", "Bearer token of predictor"],
}


@pytest.fixture(scope="module")
def lasting(lasting_world):
    """A world whose first version serves, for tests that leave its state alone."""
    lasting_world.digest = lasting_world.released()
    return lasting_world


@pytest.fixture
def released(world):
    world.digest = world.released()
    return world


def said(answer):
    # A caller's token names nobody in an answer, so all of it must be the same.
    return answer.status_code, sorted(answer.headers.items()), answer.content


def ask(world, path, authorization=("Bearer token of predictor",), tag=None, method="GET"):
    headers = [("authorization", value.encode("latin-1")) for value in authorization]
    headers += [("if-none-match", tag.format(digest=world.digest))] if tag is not None else []
    return world.call(method, path.format(digest=world.digest), None, headers=headers)


def assert_same(world, path, **asked):
    """The app's word, and the lane's when it asks the app and when it need not."""
    by_app = said(ask(world, f"{path}?x", **asked))
    assert said(ask(world, path, **asked)) == by_app
    assert said(ask(world, path, **asked)) == by_app
    return by_app


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_every_question_gets_the_apps_answer(lasting, path):
    for tag in TAGS:
        assert_same(lasting, path, tag=tag)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", [PATHS["number"], PATHS["manifest"]])
def test_other_methods_are_the_apps(lasting, method, path):
    assert_same(lasting, path, method=method, tag='"{digest}"')


@pytest.mark.parametrize("authorization", AUTHORIZATIONS.values(), ids=AUTHORIZATIONS)
@pytest.mark.parametrize("path", [PATHS["stage"], PATHS["manifest"]])
def test_nobody_hears_what_the_app_would_not_tell_them(lasting, authorization, path):
    ask(lasting, path, tag='"{digest}"')  # it is kept by now

    assert_same(lasting, path, authorization=authorization, tag='"{digest}"')


def test_whoever_is_removed_or_has_no_role_hears_nothing_more(released):
    assert ask(released, PATHS["stage"]).status_code == 200

    released.callers = [each for each in released.callers if each["name"] != "the predictor"]
    released._write("callers.json", {"callers": released.callers})

    status, _, _ = assert_same(released, PATHS["stage"])
    assert status == 401


def test_a_stage_is_told_as_soon_as_it_is_written(released):
    assert ask(released, PATHS["stage"]).json()["number"] == 1
    assert ask(released, PATHS["stage"]).json()["number"] == 1

    digest = released.in_production("r2")

    assert ask(released, PATHS["stage"]).json()["digest"] == digest
    assert_same(released, PATHS["stage"])
    assert ask(released, f"{M}/1").json()["stage"] == "ARCHIVED"


def test_what_another_process_writes_is_told_at_once(released):
    assert ask(released, f"{M}/1").json()["stage"] == "PRODUCTION"
    database = open_sqlite(released.settings.data_dir / "ledger.db")
    other = SqlLedger(database, lambda: 1.0, lambda _entries: None)
    body = {"digest": released.digest, "before": "PRODUCTION", "after": "ARCHIVED", "reason": "x"}

    page = Page((Draft(EntryKind.TRANSITION, "ada", body),))
    other.append("sentiment", other.state("sentiment").seq, page)
    database.close()

    assert ask(released, f"{M}/1").json()["stage"] == "ARCHIVED"


@pytest.mark.parametrize("damage", ["removed", "changed"])
def test_an_artifact_is_not_said_to_be_there_when_it_is_not(released, damage):
    asked = {"path": PATHS["manifest"], "tag": '"{digest}"'}
    assert [ask(released, **asked).status_code for _ in range(2)] == [304, 304]
    name = released.digest.removeprefix("sha256:")
    manifest = released.settings.data_dir / "artifacts/sha256" / name / "manifest.json"

    manifest.unlink() if damage == "removed" else manifest.write_bytes(b"{}")

    status, _, _ = assert_same(released, asked.pop("path"), **asked)
    assert status == (404 if damage == "removed" else 500)


def test_what_cannot_be_looked_at_is_left_to_the_app(released):
    assert ask(released, PATHS["stage"]).status_code == 200
    connection = sqlite3.connect(released.settings.data_dir / "ledger.db")
    for table in ("entries", "chain_head"):
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
    connection.close()

    status, _, _ = assert_same(released, PATHS["stage"])
    assert status == 503


def test_requests_are_counted_under_the_apps_routes(released):
    for path in (PATHS["stage"], PATHS["manifest"]):
        for authorization in (["Bearer token of predictor"], []):
            for _ in range(3):
                ask(released, path, authorization, '"{digest}"')
    page = released.get("/metrics").text

    assert requests(page, "/v1/models/{m}/versions/{ref}", 200) == 3
    assert requests(page, "/v1/models/{m}/versions/{ref}", 401) == 3
    assert requests(page, "/v1/artifacts/{digest}/manifest", 304) == 3
    assert requests(page, "/v1/artifacts/{digest}/manifest", 401) == 3


def requests(page, route, status):
    name = f'isogloss_registry_requests_total{{route="{route}",status="{status}"}} '
    return next(float(line.removeprefix(name)) for line in page.splitlines() if name in line)


def test_a_look_begins_after_the_question_and_is_shared():
    looking, go_on, looks_begun = threading.Semaphore(0), threading.Semaphore(0), []

    def look(about):
        looks_begun.append(about)
        looking.release()
        go_on.acquire()
        return len(looks_begun)

    async def asked():
        looks = Looks(look, threads=1)
        first = asyncio.create_task(looks.see("head"))
        await asyncio.to_thread(looking.acquire)
        later = [asyncio.create_task(looks.see("head")) for _ in range(9)]
        await asyncio.sleep(0)
        go_on.release(2)
        return await first, await asyncio.gather(*later)

    assert asyncio.run(asked()) == (1, [2] * 9)


def test_an_asker_who_gives_up_leaves_the_look_to_the_others():
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def look(about):
        begun.release()
        go_on.acquire()
        return about

    async def asked():
        looks = Looks(look, threads=1)
        gone, stays = (asyncio.create_task(looks.see("head")) for _ in range(2))
        await asyncio.to_thread(begun.acquire)
        gone.cancel()
        go_on.release()
        return await stays

    assert asyncio.run(asked()) == "head"
