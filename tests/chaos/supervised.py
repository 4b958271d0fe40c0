"""A real controller, killed by SIGKILL at each of its deeds, with a real registry-proxy and Envoy.

Deeds are what it asks of its neighbours, killed before they hear it and again before it hears the
answer, and each new route file, killed as soon as it is there.
"""

import json
import threading
import time
from contextlib import contextmanager

import uvicorn
from chaos_worlds import DriftMonitor
from fastapi import APIRouter, Request, Response
from registry_proxy_fakes import FakeRuns
from rollout_controller_fakes import MODEL, a_rollout

from lifecycle.evidence import Subjects
from lifecycle.model_states import model_state_from_dict
from lifecycle.served_models import read_served_model
from registry_proxy.app import build
from rollout_controller.adapters.envoy_files import read_routes
from rollout_controller.targets import ledger_target, marker_stands

_LOOK_EVERY_SECONDS = 0.001


class WallClock:
    now = staticmethod(time.time)


class Killer:
    """Kills the controller's process at each deed that it has not done before."""

    def __init__(self):
        self.service = None
        self.kills = []
        self.armed = False
        self._seen = {}

    def before(self, deed):
        """Kill it now if this deed was never begun."""
        return self._kill(deed, "before")

    def after(self, deed):
        """Kill it now if this deed was never done."""
        return self._kill(deed, "after")

    def _kill(self, deed, when):
        if not self.armed or (deed, when) in self._seen:
            return False
        self._seen[deed, when] = True
        self.kills.append(f"{when} {deed}")
        self.service.process.kill()
        return True


class KillingNeighbours:
    """ASGI around the registry-proxy and the drift-monitor: a killed caller gets no answer."""

    def __init__(self, app, killer):
        self._app = app
        self._killer = killer

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] == "GET" or "/events" in scope["path"]:
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        deed = named(scope["path"], body)
        if self._killer.before(deed):
            return
        sent = []

        async def again():
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message):
            sent.append(message)

        await self._app(scope, again, keep)
        if not self._killer.after(deed):
            for message in sent:
                await send(message)


def named(path, body):
    """Return what is asked for, without what differs from one asking to the next."""
    asked = json.loads(body) if body else {}
    verb = path.rsplit("/", 1)[-1]
    return " ".join([verb, *(str(asked[key]) for key in ("phase", "step") if key in asked)])


def drift_routes(pairs):
    """Return the drift-monitor's routes that the controller calls."""
    router = APIRouter()

    @router.get("/v1/models/{m}/pairings/{rollout}")
    async def find(m: str, rollout: str):
        since = await pairs.paired_since(m, a_rollout(id=rollout))
        if since is None:
            problem = {"type": "urn:isogloss:problem:unknown-pairing", "detail": "none"}
            return Response(json.dumps({**problem, "status": 404}), 404)
        return {"since": since}

    @router.get("/v1/models/{m}/versions/{digest}/noise")
    async def noise(m: str, digest: str):
        problem = {"type": "urn:isogloss:problem:no-noise", "detail": f"none of {digest} of {m}"}
        return Response(json.dumps({**problem, "status": 404}), 404)

    @router.put("/v1/models/{m}/pairings/{rollout}")
    async def register(m: str, rollout: str, request: Request):
        since = (await request.json())["since"]
        await pairs.register(m, a_rollout(id=rollout), since, 100)
        return {}

    @router.post("/v1/models/{m}/pairings/{rollout}/evidence")
    async def sign(m: str, rollout: str, request: Request):
        subjects = Subjects(**(await request.json())["subjects"])
        return await pairs.sign(m, rollout, subjects, 0, None)

    return router


@contextmanager
def neighbours(prepared, settings, port, killer):
    """Serve a real registry-proxy and a drift-monitor that signs, on one port."""
    service = build(settings, time.time, lambda _url, _timeout: FakeRuns())
    pairs = DriftMonitor(WallClock(), prepared.signers["drift-monitor"])
    service.app.include_router(drift_routes(pairs))
    app = KillingNeighbours(service.app, killer)
    config = uvicorn.Config(app, port=port, log_level="critical", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def watching_routes(directory, killer):
    """Kill the controller whenever its route file is another than any before."""
    ends = threading.Event()

    def watch():
        path, before = directory / "routes.yaml", None
        while not ends.wait(_LOOK_EVERY_SECONDS):
            if path.exists() and (stamp := path.stat().st_ino) != before:
                before = stamp
                killer.after(f"route {json.loads(path.read_text())['version_info'][:20]}")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def is_consistent(directory, state, document):
    """Tell whether the route on disk is what the ledger says, and no Marker waits."""
    routes, clusters = (
        json.loads((directory / name).read_text()) for name in ("routes.yaml", "clusters.yaml")
    )
    route = read_routes(routes, clusters).get(MODEL)
    ledger = model_state_from_dict(state)
    if route is None or marker_stands(route.marker, ledger):
        return False
    return route.intent == ledger_target(ledger, read_served_model(document), {}).intent
