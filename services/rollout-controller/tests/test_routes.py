"""The routes over HTTP: who may call them, what they answer, what a bad request gets."""

import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import replace

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
    a_state,
    unready,
    verdict,
)

from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from rollout_controller.follow import Loops
from rollout_controller.noise_floors import NoiseFloor
from rollout_controller.observed import Asked
from rollout_controller.ports import LedgerRefused
from rollout_controller.reconcile import ModelLoop
from rollout_controller.routes import install_rollout_errors, rollout_routes
from servicekit.callers import TokenFile
from servicekit.problems import install_problem_pages

pytestmark = pytest.mark.anyio
BLUE, GREEN = Colour.BLUE, Colour.GREEN
PATH = f"/v1/models/{MODEL}"


def callers_file(directory):
    callers = [
        {"name": name, "roles": roles, "sha256": hashlib.sha256(name.encode()).hexdigest()}
        for name, roles in (("ada", ["operator"]), ("trainer", ["trainer"]))
    ]
    path = directory / "callers.json"
    path.write_text(json.dumps({"callers": callers}))
    path.chmod(0o600)
    return path


@asynccontextmanager
async def serving(tmp_path, world, token="ada"):
    """The routes on a world that was looked at once; looks happen only when a test asks."""
    loops = Loops(world.ports, ServedModelFiles(world.served), PATIENCE, interval_seconds=3600)
    await loops.follow()
    world.memory = loops.find(MODEL)
    app = FastAPI()
    app.include_router(rollout_routes(loops, world.ports, TokenFile(callers_file(tmp_path))))
    install_problem_pages(app)
    install_rollout_errors(app)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://c", headers=headers
    ) as client:
        yield client
    loops.source.models = {}
    await loops.follow()


def canary_world(phase=Phase.CANARY, intent=None, **changes):
    rollout = a_rollout(phase, **changes)
    world = World(a_state(rollout))
    world.serving(rollout, intent or RouteIntent(90, 10))
    return world


async def test_the_status_shows_route_colours_counts_and_conditions(tmp_path):
    world = canary_world()
    async with serving(tmp_path, world) as client:
        status = (await client.get(PATH)).json()

    assert {
        k: status[k] for k in ("model", "phase", "step", "paused", "baseline", "candidate")
    } == {
        "model": MODEL,
        "phase": "CANARY",
        "step": 0,
        "paused": None,
        "baseline": OLD,
        "candidate": NEW,
    }
    assert status["route"] == {"blue": 90, "green": 10, "mirror": None, "mirror_percent": 0}
    green = {"digest": NEW, "ready": True, "address": "127.0.0.1:8500"}
    assert status["colours"]["green"] == green
    assert status["canary"] == {"requests": 0, "errors": 0, "over": 0}
    assert status["verdict"]["outcome"] == "INCONCLUSIVE"
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert conditions == {
        "Progressing": ("True", "CanaryInconclusive"),
        "Ready": ("True", "Serving"),
        "RegistryReachable": ("True", "Answers"),
        "GatewayInEffect": ("True", "Answers"),
        "WorkloadsVisible": ("True", "Answers"),
        "CandidateMeasured": ("True", "Answers"),
        "PolicyRead": ("True", "Answers"),
    }


async def test_the_status_names_what_is_wrong_and_what_holds_meanwhile(tmp_path):
    world = canary_world()
    world.ledger.up = False
    world.workloads.colours[BLUE] = unready(OLD, reason="it is starting")
    async with serving(tmp_path, world) as client:
        status = (await client.get(PATH)).json()

    conditions = {c["type"]: c for c in status["conditions"]}
    assert conditions["RegistryReachable"]["message"] == (
        "the registry-proxy is down; the last state known of it is used"
    )
    assert "blue, which is not ready: it is starting" in conditions["Ready"]["message"]


async def test_a_model_before_its_first_release_has_a_status_too(tmp_path):
    world = World(a_state(None, production=None))
    async with serving(tmp_path, world) as client:
        status = (await client.get(PATH)).json()

    assert status["phase"] is None
    assert status["colours"]["blue"] == {"digest": None, "ready": False, "address": None}
    assert status["conditions"][1]["reason"] == "NothingToServe"


async def test_a_rollout_is_accepted_and_shown_at_once(tmp_path):
    world = canary_world(Phase.SUCCEEDED, all_to(GREEN), candidate=OLD, baseline=None)
    async with serving(tmp_path, world) as client:
        answer = await client.post(f"{PATH}/rollouts", json={"version": "3"})
        status = (await client.get(PATH)).json()

    assert answer.status_code == 202
    assert answer.json()["rollout"]["candidate"] == NEW
    assert (status["phase"], status["candidate"]) == ("PENDING", NEW)


async def test_a_plan_names_steps_and_what_could_never_end_is_a_409(tmp_path):
    world = canary_world(Phase.SUCCEEDED, all_to(GREEN), candidate=OLD, baseline=None)
    world.pairs.floor = NoiseFloor(OLD, 500, 0.16, 0.2, 0.25, START)
    async with serving(tmp_path, world) as client:
        plan = (await client.get(f"{PATH}/plan")).json()
        start = await client.post(f"{PATH}/rollouts", json={"version": "3"})

    assert plan["strategy"] == "canary"
    assert plan["steps"][1] == {
        "phase": "CANARY",
        "users": 10,
        "decided_by": ["canary"],
        "watched_by": [],
    }
    assert plan["noise"]["upper"] == 0.25
    assert plan["refused"][0] in start.json()["detail"]
    assert (start.status_code, start.json()["type"]) == (409, "urn:isogloss:problem:never-ends")


@pytest.mark.parametrize(
    ("step", "phase", "shown"),
    [
        (("r7", Phase.SHADOWING), Phase.SHADOWING, True),
        (("r7", Phase.PENDING), Phase.SHADOWING, False),
        (("r3", Phase.SHADOWING), Phase.SHADOWING, False),
        (("r7", Phase.BAKING), Phase.SUCCEEDED, True),
    ],
    ids=["this step", "an earlier step", "an earlier rollout", "the last step of an ended one"],
)
async def test_the_status_shows_the_verdict_on_the_step_under_way(tmp_path, step, phase, shown):
    intent = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)
    world = canary_world(phase, intent if phase is Phase.SHADOWING else all_to(GREEN))
    async with serving(tmp_path, world) as client:
        world.memory.asked = Asked(*step, -1, START, verdict("PASS"))
        status = (await client.get(PATH)).json()

    assert (status["verdict"] is not None) is shown


async def test_a_rollback_answers_when_it_took_effect(tmp_path):
    world = canary_world()
    async with serving(tmp_path, world) as client:
        answer = (await client.post(f"{PATH}/rollback", json={"reason": "complaints"})).json()
        again = (await client.post(f"{PATH}/rollback", json={"reason": "again"})).json()
        status = (await client.get(PATH)).json()

    assert answer == {
        "rolled_back": True,
        "to": OLD,
        "decided_at": START,
        "effective_at": START,
        "milliseconds": 0.0,
        "recorded": True,
    }
    assert not again["rolled_back"]
    assert status["phase"] == "ROLLED_BACK"
    assert status["last_rollback"]["reason"] == "complaints (ada)"
    assert world.ledger.ended[0].reason == "complaints (ada)"


async def test_the_verdict_of_an_automatic_rollback_stays_in_the_status(tmp_path):
    world = canary_world()
    async with serving(tmp_path, world) as client:
        world.metrics.count(40, errors=30)
        await ModelLoop(world.ports, world.memory).look()
        status = (await client.get(PATH)).json()

    assert (status["phase"], status["verdict"]["outcome"]) == ("ROLLED_BACK", "FAIL")
    assert status["canary"] == {"requests": 40, "errors": 30, "over": 0}
    assert status["last_rollback"]["automatic"]
    assert "error_ratio" in status["last_rollback"]["reason"]


async def test_after_a_restart_the_last_rollback_is_read_from_the_route(tmp_path):
    world = canary_world()
    async with serving(tmp_path, world) as client:
        await client.post(f"{PATH}/rollback", json={"reason": "complaints"})
        world.memory.last_rollback = None
        last = (await client.get(PATH)).json()["last_rollback"]

    assert (last["to"], last["reason"], last["recorded"]) == (OLD, "complaints (ada)", True)


async def test_a_rollback_that_the_gateway_does_not_confirm_is_a_503_with_the_facts(tmp_path):
    world = canary_world()
    async with serving(tmp_path, world) as client:
        world.gateway.effect = None
        answer = await client.post(f"{PATH}/rollback", json={"reason": "complaints"})

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:isogloss:problem:not-in-effect"
    assert answer.json()["to"] == OLD


@pytest.mark.parametrize("verb", ["pause", "resume", "abort"])
async def test_with_nothing_under_way_they_do_nothing(tmp_path, verb):
    world = canary_world(Phase.SUCCEEDED, all_to(GREEN))
    async with serving(tmp_path, world) as client:
        answer = await client.post(f"{PATH}/rollouts/current/{verb}", json={"reason": "why"})

    assert (answer.status_code, answer.json()["changed"]) == (200, False)


async def test_pause_resume_and_abort_change_the_rollout(tmp_path):
    world = canary_world()
    async with serving(tmp_path, world) as client:
        for verb, paused, phase in (
            ("pause", "why (ada)", "CANARY"),
            ("resume", None, "CANARY"),
            ("abort", None, "ROLLED_BACK"),
        ):
            path = f"{PATH}/rollouts/current/{verb}"
            answer = (await client.post(path, json={"reason": "why"})).json()
            assert answer["changed"]
            assert (answer["rollout"]["paused"], answer["rollout"]["phase"]) == (paused, phase)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("rollback", {"reason": ""}, 422),
        ("rollback", {"reason": "x", "to": "latest"}, 422),
        ("rollback", {"reason": "x", "where": "1"}, 422),
        ("rollback", b"not json", 400),
        ("rollback", {"reason": "x", "to": "9"}, 404),
        ("rollback", {"reason": "x", "to": "1"}, 409),
        ("rollouts", {}, 422),
        ("rollouts", {"version": "9"}, 404),
        ("rollouts/current/abort", {}, 422),
    ],
)
async def test_a_bad_request_gets_a_problem_and_changes_nothing(tmp_path, path, body, status):
    world = canary_world()
    async with serving(tmp_path, world) as client:
        content = body if isinstance(body, bytes) else json.dumps(body)
        headers = {"content-type": "application/json"}
        answer = await client.post(f"{PATH}/{path}", content=content, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert world.rollout.phase is Phase.CANARY


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("stranger", 401), ("trainer", 403)])
@pytest.mark.parametrize("path", ["rollback", "rollouts/current/pause", "rollouts"])
async def test_only_an_operator_moves_traffic(tmp_path, token, status, path):
    async with serving(tmp_path, canary_world(), token) as client:
        answer = await client.post(f"{PATH}/{path}", json={"reason": "x", "version": "1"})
    assert answer.status_code == status


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("trainer", 200)])
async def test_every_caller_may_look(tmp_path, token, status):
    async with serving(tmp_path, canary_world(), token) as client:
        assert (await client.get(PATH)).status_code == status


async def test_an_unknown_model_is_a_404_that_says_what_was_refused(tmp_path):
    async with serving(tmp_path, canary_world()) as client:
        answer = await client.get("/v1/models/topic")

    assert (answer.status_code, answer.json()["type"]) == (
        404,
        "urn:isogloss:problem:unknown-model",
    )


async def test_the_registrys_refusals_and_absence_are_told_apart(tmp_path):
    world = canary_world()
    async with serving(tmp_path, world) as client:

        async def refuse(*_):
            raise LedgerRefused("illegal-transition", "end it first", {"seq": 20, "status": 409})

        world.ledger.begin = refuse
        refused = await client.post(f"{PATH}/rollouts", json={"version": "1"})
        world.ledger.up = False
        absent = await client.post(f"{PATH}/rollouts", json={"version": "1"})

    assert (refused.status_code, refused.json()["seq"]) == (409, 20)
    assert refused.json()["detail"] == "end it first"
    assert (absent.status_code, absent.headers["retry-after"]) == (503, "2")


async def test_metrics_show_phase_weights_and_rollbacks(tmp_path):
    world = canary_world()
    async with serving(tmp_path, world) as client:
        await client.post(f"{PATH}/rollback", json={"reason": "complaints"})
        registry = world.ports.meters.registry
        value = registry.get_sample_value
        labels = {"model": MODEL}

        assert value("isogloss_rollout_weight", {**labels, "colour": "blue"}) == 90
        assert value("isogloss_rollout_phase", {**labels, "phase": "CANARY"}) == 1
        assert value("isogloss_rollout_rollbacks_total", {**labels, "automatic": "false"}) == 1
        assert value("isogloss_rollout_route_write_seconds_count") == 1
