"""The OpenAPI document, and the routes while a Rollout is in its canary."""

import hashlib
import json
from contextlib import asynccontextmanager

import anyio.from_thread
import httpx
import pytest
from fastapi import FastAPI
from rollout_controller_fakes import MODEL, PATIENCE, ServedModelFiles, World, a_rollout, a_state

from lifecycle.rollouts import Phase, RouteIntent
from rollout_controller.follow import Loops
from rollout_controller.mirror_arrivals import MirrorArrivals
from rollout_controller.routes import (
    alert_routes,
    install_rollout_errors,
    mirror_probe_routes,
    rollout_routes,
)
from servicekit.callers import TokenFile
from servicekit.problems import install_problem_pages

TOKEN = "of somebody who may do everything"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The routes on a world that was looked at once; looks happen only when a request asks."""
    rollout = a_rollout(Phase.CANARY)
    world = World(a_state(rollout))
    world.serving(rollout, RouteIntent(90, 10))
    callers = TokenFile(callers_file(tmp_path_factory.mktemp("callers")))
    app = FastAPI()
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(followed(world)) as loops,
    ):
        app.include_router(rollout_routes(loops, world.ports, callers))
        app.include_router(alert_routes(loops, world.ports, callers))
        app.include_router(mirror_probe_routes(MirrorArrivals()))
        install_problem_pages(app)
        install_rollout_errors(app)
        app.state.portal = portal
        yield app


@asynccontextmanager
async def followed(world):
    loops = Loops(world.ports, ServedModelFiles(world.served), PATIENCE, interval_seconds=3600)
    await loops.follow()
    yield loops
    loops.source.models = {}
    await loops.follow()


def callers_file(folder):
    roles, sha256 = ["operator", "alertmanager"], hashlib.sha256(TOKEN.encode()).hexdigest()
    path = folder / "callers.json"
    path.write_text(json.dumps({"callers": [{"name": "all", "roles": roles, "sha256": sha256}]}))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def fuzz(app, openapi_fuzz):
    async def request(method, path, headers, body):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://c") as client:
            return await client.request(method, path, headers=headers, content=body)

    def known(name, value):
        here = {"m": MODEL, "version": "2", "to": "1"}
        return here[name] if name in here and openapi_fuzz.often(value) else value

    return openapi_fuzz.Fuzz(
        app.openapi(), lambda *asked: app.state.portal.call(request, *asked), TOKEN, known
    )


def test_every_answer_is_one_of_the_documents_and_no_fault(app, fuzz):
    fuzz.check_answers(app, {200, 404, 422})


def test_what_needs_a_token_in_the_document_needs_one(fuzz):
    fuzz.check_tokens()
