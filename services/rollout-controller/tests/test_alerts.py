"""Alerts that roll back: who is heard, what is ignored and why, and that twice is once."""

import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI
from rollout_controller_fakes import (
    MODEL,
    NEW,
    OLD,
    PATIENCE,
    START,
    ServedModelFiles,
    World,
    a_rollout,
    a_served_model,
    a_state,
)

from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from lifecycle.served_models import AlertMode, AlertRollback
from rollout_controller.alerts import Alert, Circumstances, reason_to_ignore
from rollout_controller.follow import Loops
from rollout_controller.ports import GatewayUnreachable
from rollout_controller.routes import alert_routes, install_rollout_errors
from servicekit.callers import TokenFile
from servicekit.problems import install_problem_pages

pytestmark = pytest.mark.anyio
BLUE, GREEN = Colour.BLUE, Colour.GREEN
LABELS = {"alertname": "Complaints", "isogloss_rollback": "true", "model": MODEL}
ALERT = Alert(True, START + 5, LABELS)  # noqa: FBT003 - as its first field says, it fires
AROUND = Circumstances(
    AlertRollback(AlertMode.ROLL_BACK, 600), a_rollout(Phase.CANARY), None, START + 10
)


def labelled(**labels):
    return replace(ALERT, labels={**LABELS, **labels})


@pytest.mark.parametrize(
    ("alert", "around", "reason"),
    [
        (replace(ALERT, firing=False), {}, "it is resolved"),
        (labelled(isogloss_rollback="yes"), {}, "no label isogloss_rollback: true"),
        (ALERT, {"wished": AlertRollback(AlertMode.IGNORE, 0)}, "mode of the ServedModel is"),
        (ALERT, {"rollout": None}, "no user gets a Candidate's answers"),
        (ALERT, {"rollout": a_rollout(Phase.SHADOWING)}, "no user gets a Candidate's answers"),
        (ALERT, {"rollout": a_rollout(Phase.SUCCEEDED)}, "no user gets a Candidate's answers"),
        (replace(ALERT, starts_at=START - 1), {}, "it began before rollout r7"),
        (labelled(colour="blue"), {}, "it is about blue, the Candidate is green"),
        (labelled(version=OLD), {}, "which is not the Candidate"),
        (ALERT, {"last_rollback_at": START - 500}, "the last rollback was less than 600 s ago"),
        (ALERT, {"last_rollback_at": START - 591}, None),
        (labelled(colour="green", version=NEW), {}, None),
        (ALERT, {"rollout": a_rollout(Phase.BAKING)}, None),
    ],
)
def test_what_is_ignored_is_said(alert, around, reason):
    said = reason_to_ignore(alert, replace(AROUND, **around))
    assert (said is None) if reason is None else reason in said


def told(*alerts):
    """What Alertmanager posts, with members that nobody here needs."""
    written = [
        {
            "status": "firing" if alert.firing else "resolved",
            "labels": dict(alert.labels),
            "annotations": {"summary": "many complaints"},
            "startsAt": datetime.fromtimestamp(alert.starts_at, UTC).isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": "1f",
        }
        for alert in alerts
    ]
    return {"version": "4", "receiver": "isogloss", "groupKey": "{}", "alerts": written}


@asynccontextmanager
async def hearing(directory, mode="rollBack", token="am"):
    served = a_served_model(alertRollback={"mode": mode})
    world = World(a_state(a_rollout(Phase.CANARY)), served)
    world.serving(world.rollout, RouteIntent(90, 10))
    loops = Loops(world.ports, ServedModelFiles(served), PATIENCE, interval_seconds=3600)
    await loops.follow()
    world.memory, app = loops.find(MODEL), FastAPI()
    app.include_router(alert_routes(loops, world.ports, TokenFile(callers_file(directory))))
    install_problem_pages(app)
    install_rollout_errors(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://c", headers=headers) as http:
        yield world, http
    loops.source.models = {}
    await loops.follow()


def callers_file(directory):
    names = {"am": "alertmanager", "ada": "operator"}
    callers = [
        {"name": name, "roles": [role], "sha256": hashlib.sha256(name.encode()).hexdigest()}
        for name, role in names.items()
    ]
    path = directory / "callers.json"
    path.write_text(json.dumps({"callers": callers}))
    path.chmod(0o600)
    return path


async def test_an_alert_rolls_back_once_however_often_it_is_told(tmp_path):
    async with hearing(tmp_path) as (world, http):
        first = await http.post("/v1/alerts", json=told(ALERT, ALERT))
        again = await http.post("/v1/alerts", json=told(ALERT))

    assert [each["outcome"] for each in first.json()["alerts"]] == ["rolled-back", "ignored"]
    assert again.json()["alerts"][0]["outcome"] == "ignored"
    (ending,) = world.ledger.ended
    assert world.intent == all_to(BLUE)
    assert ending.reason == "alert Complaints: many complaints (am)"
    assert ending.marker.automatic


async def test_it_needs_no_registry_and_waits_for_its_cooldown_meanwhile(tmp_path):
    async with hearing(tmp_path) as (world, http):
        world.ledger.up = False
        await http.post("/v1/alerts", json=told(ALERT))
        again = (await http.post("/v1/alerts", json=told(ALERT))).json()["alerts"][0]

    assert world.intent == all_to(BLUE)
    assert again["reason"] == "the last rollback was less than 600 s ago"


async def test_a_dry_run_says_what_it_would_do(tmp_path):
    async with hearing(tmp_path, "dryRun") as (world, http):
        answer = (await http.post("/v1/alerts", json=told(ALERT))).json()["alerts"][0]

    assert (answer["outcome"], answer["model"]) == ("would-roll-back", MODEL)
    assert world.intent == RouteIntent(90, 10)


async def test_what_nobody_serves_is_ignored(tmp_path):
    async with hearing(tmp_path) as (_, http):
        answer = await http.post("/v1/alerts", json=told(labelled(model="topic")))

    assert answer.json()["alerts"][0]["reason"] == "no ServedModel 'topic'"


async def test_only_alertmanager_is_heard(tmp_path):
    async with hearing(tmp_path, token="ada") as (world, http):
        answer = await http.post("/v1/alerts", json=told(ALERT))
        nobody = await http.post(
            "/v1/alerts", json=told(ALERT), headers={"authorization": "Bearer x"}
        )

    assert (answer.status_code, nobody.status_code) == (403, 401)
    assert world.intent == RouteIntent(90, 10)


async def test_a_route_that_cannot_be_written_has_the_alert_told_again(tmp_path):
    async with hearing(tmp_path) as (world, http):
        write = world.gateway.write

        async def refuse(*_, **__):
            raise GatewayUnreachable("routes.yaml cannot be written")

        world.gateway.write = refuse
        assert (await http.post("/v1/alerts", json=told(ALERT))).status_code == 503
        world.gateway.write = write
        answer = await http.post("/v1/alerts", json=told(ALERT))

    assert answer.json()["alerts"][0]["outcome"] == "rolled-back"


@pytest.mark.parametrize(
    "change",
    [{"version": "3"}, {"alerts": [{"status": "firing"}]}, {"alerts": "all"}],
    ids=["version", "alert", "alerts"],
)
async def test_what_is_not_alertmanagers_is_refused(tmp_path, change):
    async with hearing(tmp_path) as (_, http):
        answer = await http.post("/v1/alerts", json={**told(ALERT), **change})
    assert answer.status_code == 422
