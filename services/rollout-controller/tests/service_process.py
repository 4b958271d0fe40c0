"""The service as a process, and its neighbours over real HTTP, for tests and benchmarks."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress

import httpx
import uvicorn
import yaml
from fastapi import FastAPI, Request, Response
from rollout_controller_fakes import (
    MODEL,
    START,
    Clock,
    DriftHttp,
    RegistryHttp,
    a_policy_document,
    a_rollout,
    verdict,
)

from lifecycle.model_states import ModelState, VersionState
from lifecycle.rollouts import Phase, marker_from_dict
from lifecycle.stages import Stage
from rollout_controller.ledger_moves import Advance, Ending
from rollout_controller.ports import LedgerRefused, LedgerUnreachable
from servicekit.signing import generate_key

PATH = f"/v1/models/{MODEL}"


class WallClock(Clock):
    def now(self):
        return time.time()


class Neighbours:
    """The registry-proxy's and the drift-monitor's routes on the fakes' decisions."""

    def __init__(self, port, digests):
        versions = tuple(
            VersionState(number, digest, Stage.STAGING, START, {}, {})
            for number, digest in enumerate(digests, start=1)
        )
        state = ModelState(MODEL, 5, "sha256:policy", versions)
        self.ledger = RegistryHttp(WallClock(), state)
        self.ledger.verdict = verdict("PASS")
        self.pairs = DriftHttp()
        self.url = f"http://127.0.0.1:{port}"
        self._server = uvicorn.Server(
            uvicorn.Config(self._app(), port=port, log_level="error", ws="none", lifespan="off")
        )

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._server.run)
        thread.start()
        try:
            yield self
        finally:
            self._server.should_exit = True
            thread.join()

    def _app(self):
        app = FastAPI()
        app.add_exception_handler(LedgerUnreachable, _down)
        app.add_exception_handler(LedgerRefused, _refused)
        self._add_registry(app)
        self._add_drift_monitor(app)
        return app

    def _add_registry(self, app):
        @app.get("/v1/models/{m}")
        async def state(m: str):
            return (await self.ledger.fetch_state(m)).to_dict()

        @app.get("/v1/models/{m}/policy")
        async def policy(m: str):
            await self.ledger.fetch_policy(m)
            document = a_policy_document(min_n=20, min_seconds=1)
            return Response(yaml.safe_dump(document), headers={"etag": '"sha256:policy"'})

        @app.post("/v1/models/{m}/rollouts")
        async def begin(m: str, request: Request):
            return told(await self.ledger.begin(m, **await request.json()))

        @app.post("/v1/models/{m}/rollouts/{rollout}/advance")
        async def advance(m: str, rollout: str, request: Request):
            body = await request.json()
            body["phase"] = Phase(body["phase"])
            answer = await self.ledger.advance(m, rollout, Advance(**body))
            return {
                **told((answer.rollout, answer.seq)),
                "advanced": answer.advanced,
                "verdict": answer.verdict.to_dict(),
            }

        @app.post("/v1/models/{m}/rollouts/{rollout}/end")
        async def end(m: str, rollout: str, request: Request):
            return told(await self.ledger.end(m, rollout, an_ending(await request.json())))

    def _add_drift_monitor(self, app):
        @app.get("/v1/models/{m}/pairings/{rollout}")
        async def find(m: str, rollout: str):
            since = await self.pairs.paired_since(m, a_rollout(id=rollout))
            if since is None:
                return problem(404, "unknown-pairing", "none")
            return {"since": since}

        @app.put("/v1/models/{m}/pairings/{rollout}")
        async def register(m: str, rollout: str, request: Request):
            body = await request.json()
            paired = (body["since"], body["mirror_percent"])
            await self.pairs.register(m, a_rollout(id=rollout), *paired)
            return {}

        @app.post("/v1/models/{m}/pairings/{rollout}/evidence")
        async def sign(m: str, rollout: str):
            return {"payload": "", "about": [m, rollout]}

        @app.get("/v1/models/{m}/versions/{digest}/noise")
        async def noise(m: str, digest: str):
            return problem(404, "no-noise", f"no A/A run of {digest} of {m} was measured")

        @app.post("/v1/events")
        async def events():
            return {"accepted": 0}


def told(answer):
    rollout, seq = answer
    return {"rollout": rollout.to_dict(), "seq": seq}


def an_ending(body):
    marker = body.get("marker")
    phase = Phase(body["phase"])
    return Ending(phase, body["reason"], marker_from_dict(marker) if marker else None)


def problem(status, slug, detail, **members):
    content = {
        "type": f"urn:isogloss:problem:{slug}",
        "detail": detail,
        "status": status,
        **members,
    }
    return Response(json.dumps(content), status, media_type="application/problem+json")


async def _down(_request, error):
    return problem(503, "ledger-unavailable", str(error))


async def _refused(_request, error):
    return problem(409, error.problem, str(error), **error.members)


class Service:
    """The rollout-controller's process, its files and its addresses."""

    def __init__(self, directory, ports, neighbours, cache, **spec):
        self.directory = directory
        self.spec = {"canaryWeights": [50], "bakeSeconds": 1, **spec}
        self.gateway, self.admin, self.port, predictors = ports
        self.process = None
        self._log = (directory / "controller.log").open("ab")
        self.settings = self._settings(neighbours, cache, predictors)

    def serve(self, **spec):
        """Write the ServedModel, which is read again when it changes."""
        document = {
            "apiVersion": "isogloss.dev/v1alpha1",
            "kind": "ServedModel",
            "metadata": {"name": MODEL},
            "spec": spec,
        }
        written = self.directory / "served-models" / ".m.yaml.new"
        written.write_text(yaml.safe_dump(document))
        written.rename(written.with_name("m.yaml"))

    def start(self):
        """Start it, and wait until it has looked at every model."""
        self.spawn()
        until(lambda: self.process.poll() is None and self.answers("/readyz"))

    def spawn(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ISOGLOSS_")}
        settings = {f"ISOGLOSS_ROLLOUT_CONTROLLER_{k}": str(v) for k, v in self.settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rollout_controller"],
            env={**environment, **settings},
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.terminate()
        code = self.process.wait(20)
        self._log.close()
        return code

    def answers(self, path):
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}{path}").is_success
        return False

    def ask(self, method, path="", body=None):
        headers = {"authorization": "Bearer ada"}
        url = f"http://127.0.0.1:{self.port}{PATH}{path}"
        answer = httpx.request(method, url, json=body, headers=headers, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def predictors(self):
        paths = (self.directory / "run").glob("*.json")
        return {path.stem: json.loads(path.read_text())["pid"] for path in paths}

    def _settings(self, neighbours, cache, predictors):
        directory = self.directory
        (directory / "served-models").mkdir()
        self.serve(**self.spec)
        for name, text in (("token", "ours"), ("predictor", "theirs"), ("fingerprint", "k" * 32)):
            private(directory / name, text)
        sha256 = hashlib.sha256(b"ada").hexdigest()
        callers = [{"name": "ada", "roles": ["operator"], "sha256": sha256}]
        private(directory / "callers.json", json.dumps({"callers": callers}))
        generate_key(directory / "key.pem")
        return {
            "PORT": self.port,
            "REGISTRY_URL": neighbours.url,
            "DRIFT_MONITOR_URL": neighbours.url,
            "TOKEN_FILE": directory / "token",
            "CALLERS_FILE": directory / "callers.json",
            "SIGNING_KEY_FILE": directory / "key.pem",
            "SERVED_MODELS_DIR": directory / "served-models",
            "STATE_DIR": directory / "controller",
            "GATEWAY_PORT": self.gateway,
            "GATEWAY_ADMIN_PORT": self.admin,
            "ENVOY_DIR": directory / "envoy",
            "PREDICTOR_PORT_FROM": predictors,
            "PREDICTOR_TOKEN_FILE": directory / "predictor",
            "FINGERPRINT_KEY_FILE": directory / "fingerprint",
            "ARTIFACT_CACHE_DIR": cache,
            "RUN_DIR": directory / "run",
            "LOG_DIR": directory / "logs",
            "INTERVAL_SECONDS": 0.1,
            "EVIDENCE_SECONDS": 0.1,
            "PAIRING_DELAY_SECONDS": 0.1,
        }


class Load:
    """Callers that send one request after the other; who answered when is remembered."""

    def __init__(self, port):
        self.statuses = Counter()
        self.last = {}
        self._url = f"http://127.0.0.1:{port}/predict"
        self._ends = threading.Event()

    @contextmanager
    def running(self, callers=2):
        threads = [threading.Thread(target=self._call) for _ in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ends.set()
            for thread in threads:
                thread.join()

    def _call(self):
        with httpx.Client(timeout=10) as client:
            while not self._ends.wait(0.005):
                answer = client.post(self._url, json={"text": "a good film"})
                self.statuses[answer.status_code] += 1
                self.last[answer.headers.get("x-model-version")] = time.time()


def private(path, text):
    path.write_text(text)
    path.chmod(0o600)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.02)
    return found
