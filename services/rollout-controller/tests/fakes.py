"""Ports in memory, named like the adapters, and small real HTTP servers."""

# ruff: noqa: ARG002 - a fake takes all that its port is given

import asyncio
import copy
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from lifecycle.model_states import ModelState, VersionState
from lifecycle.policy_files import read_policy
from lifecycle.rollouts import (
    NOTHING_TO_SERVE,
    Colour,
    Phase,
    Rollout,
)
from lifecycle.served_models import read_served_model
from lifecycle.stages import Stage
from lifecycle.verdicts import Outcome, Reason, conclude
from rollout_controller.ledger_moves import Advanced, HeldPolicy
from rollout_controller.memory import ModelMemory
from rollout_controller.metrics import Meters
from rollout_controller.observed import Patience
from rollout_controller.ports import (
    ColourState,
    Effect,
    GatewayUnreachable,
    LedgerRefused,
    LedgerUnreachable,
    MetricsUnreachable,
    Mirroring,
    Notes,
    NotLeading,
    PairsUnreachable,
    Ports,
    RouteMoved,
    ServedModelsRead,
    ServedModelsUnreachable,
    WorkloadsUnreachable,
)
from rollout_controller.route_objects import HeldRoute, Route
from rollout_controller.tallies import Counters, Reading

OLD, NEW, OLDER = ("sha256:" + digit * 64 for digit in "123")
MODEL = "sentiment"
START = 1_700_000_000.0


def a_served_model(name=MODEL, **spec):
    return read_served_model(
        {
            "apiVersion": "isogloss.dev/v1alpha1",
            "kind": "ServedModel",
            "metadata": {"name": name},
            "spec": {"canaryWeights": [10, 50], "bakeSeconds": 30, **spec},
        }
    )


def a_gate(name, guards, evidence, rules, **limits):
    return {"name": name, "guards": guards, "evidence": evidence, "rules": rules, **limits}


def a_policy_document(max_seconds=600, slow_ms=150, min_n=50, min_seconds=5):
    quality = [{"measure": "macro_f1", "at_least": 0.8}]
    disagreement = [{"measure": "disagreement", "at_most": 0.15}]
    health = [
        {"measure": "error_ratio", "at_most": 0.02},
        {"measure": "slow_ratio", "at_most": 0.05},
    ]
    offline = ["REGISTERED->STAGING", "ARCHIVED->STAGING", "STAGING->PRODUCTION"]
    limits = {"max_duration_seconds": max_seconds}
    canary = {"min_n": min_n, "min_duration_seconds": min_seconds, "slow_ms": slow_ms, **limits}
    return {
        "kind": "GatePolicy",
        "name": MODEL,
        "version": "1",
        "evidence_max_age_hours": 24,
        "gates": [
            a_gate("quality", offline, "offline", quality),
            a_gate("shadow", ["SHADOW->CANARY"], "shadow", disagreement, **limits),
            a_gate("canary", ["SHADOW->PRODUCTION"], "canary", health, **canary),
        ],
    }


def a_policy(**limits):
    return HeldPolicy("sha256:policy", read_policy(a_policy_document(**limits)))


def a_rollout(phase=Phase.CANARY, step=-1, **changes):
    fields = {
        "id": "r7",
        "candidate": NEW,
        "candidate_colour": Colour.GREEN,
        "baseline": OLD,
        "phase": phase,
        "step": 0 if phase is Phase.CANARY and step < 0 else step,
        "paused": None,
        "started_at": START,
        "phase_since": START,
    }
    return Rollout(**{**fields, **changes})


def a_version(number, digest, stage):
    return VersionState(number, digest, stage, START, {"test_set_digest": "sha256:tests"}, {})


def a_state(rollout=None, seq=20, production=OLD, productions=(OLD,)):
    stages = {OLD: Stage.ARCHIVED, NEW: Stage.SHADOW, OLDER: Stage.ARCHIVED}
    if production:
        stages[production] = Stage.PRODUCTION
    versions = tuple(
        a_version(number, digest, stages[digest])
        for number, digest in enumerate((OLDER, OLD, NEW), start=1)
    )
    return ModelState(MODEL, seq, "sha256:policy", versions, rollout, productions)


def ready(digest, port=8400, since=START):
    address = f"127.0.0.1:{port}"
    return ColourState(digest, *(True, True), since, address, (f"127.0.0.1:{port + 1}",))


def unready(digest, port=8400, since=START, reason="it is starting"):
    return replace(ready(digest, port, since), ready=False, reason=reason)


def gone(digest):
    return ColourState(digest, *(False, False), START, None, (), "it ended by itself")


class Clock:
    def __init__(self):
        self.time = START

    def now(self):
        return self.time


def verdict(outcome, text="as told"):
    return conclude([Reason("gate", Outcome(outcome), text)])


class RegistryHttp:
    """A ledger that moves Rollouts as the registry-proxy does; `verdicts` answers what is asked."""

    def __init__(self, clock, state):
        self.clock = clock
        self.state = state
        self.policy = a_policy()
        self.up = True
        self.verdict = verdict("INCONCLUSIVE")
        self.asked = []
        self.ended = []

    async def fetch_state(self, model):
        self._answer()
        return self.state if self.state.name == model else ModelState(model)

    async def fetch_policy(self, model):
        self._answer()
        return self.policy

    async def begin(self, model, digest, expected_seq):
        self._expect(expected_seq)
        serving = self.state.rollout.serving_colour if self.state.rollout else None
        production = self.state.holding(Stage.PRODUCTION)
        rollout = a_rollout(
            Phase.PENDING,
            id=f"r{self.state.seq}",
            candidate=digest,
            baseline=production.digest if production else None,
            candidate_colour=serving.other if serving else Colour.BLUE,
            started_at=self.clock.now(),
            phase_since=self.clock.now(),
        )
        return self._write(rollout)

    async def advance(self, model, rollout, request):
        self._expect(request.expected_seq)
        self.asked.append(request)
        current = self.state.rollout
        free = (
            current.phase is Phase.PENDING and current.baseline
        ) or current.phase is Phase.BAKING
        told = verdict("PASS") if free else self.verdict
        if told.outcome is not Outcome.PASS or request.judge_only:
            return Advanced(advanced=False, verdict=told, rollout=current, seq=self.state.seq)
        taken, seq = self._write(current.at(request.phase, self.clock.now(), request.step))
        if request.phase in (Phase.BAKING, Phase.SUCCEEDED):
            self._stage(taken.baseline, Stage.ARCHIVED)
            self._stage(taken.candidate, Stage.PRODUCTION)
        return Advanced(advanced=True, verdict=told, rollout=taken, seq=seq)

    async def hold(self, model, rollout, reason, expected_seq):
        self._expect(expected_seq)
        return self._write(replace(self.state.rollout, paused=reason))

    async def end(self, model, rollout, ending):
        self._answer()
        current = self.state.rollout
        if current.id != rollout:
            raise LedgerRefused("illegal-transition", f"no rollout {rollout}", {"status": 409})
        ended = current.at(ending.phase, self.clock.now())
        if ending.phase is Phase.ROLLED_BACK:
            marker = ending.marker
            ended = replace(ended, baseline=marker.to, candidate_colour=marker.to_colour.other)
            for left in (current.candidate, current.baseline):
                self._stage(left, Stage.ARCHIVED)
            self._stage(marker.to, Stage.PRODUCTION)
        if replace(ended, phase_since=current.phase_since) == current:
            return current, self.state.seq
        self.ended.append(ending)
        return self._write(ended)

    def _answer(self):
        if not self.up:
            raise LedgerUnreachable("the registry-proxy is down")

    def _expect(self, seq):
        self._answer()
        if seq != self.state.seq:
            raise LedgerRefused("stale-sequence", "stale", {"seq": self.state.seq})

    def _write(self, rollout):
        self.state = replace(self.state, rollout=rollout, seq=self.state.seq + 1)
        return rollout, self.state.seq

    def _stage(self, digest, stage):
        versions = tuple(
            replace(v, stage=stage) if v.digest == digest else v for v in self.state.versions
        )
        self.state = replace(self.state, versions=versions)


class DriftHttp:
    def __init__(self):
        self.up = True
        self.since = {}
        self.signed = []
        self.floor = None

    async def register(self, model, rollout, since, mirror_percent):
        self._answer()
        self.percent = mirror_percent
        self.since.setdefault(rollout.id, since)

    async def paired_since(self, model, rollout):
        self._answer()
        return self.since.get(rollout.id)

    async def sign(self, model, rollout, subjects, expires_at, mirror):
        self._answer()
        self.mirror = mirror
        self.signed.append(subjects)
        return {"payload": "", "kind": "shadow"}

    async def noise(self, model, digest):
        self._answer()
        return self.floor

    def _answer(self):
        if not self.up:
            raise PairsUnreachable("the drift-monitor is down")


class EnvoyGateway:
    """Keeps routes; `effect` is what is in effect: True, False (never taken over), None (mute)."""

    def __init__(self):
        self.routes = {}
        self.revisions = {}
        self.written = []
        self.effect = True
        self.mirrors = Mirroring(possible=True)
        self.copies = {"envoy": 0}
        self.on_write = None

    async def read(self, model):
        route = self.routes.get(model)
        return HeldRoute(route, str(self.revisions[model])) if route else None

    async def write(self, route, expected):
        if self.on_write:
            hook, self.on_write = self.on_write, None
            await hook()
        if expected is not None and expected != str(self.revisions.get(route.model)):
            raise RouteMoved(route.model)
        self.routes[route.model] = route
        self.revisions[route.model] = self.revisions.get(route.model, 0) + 1
        self.written.append(route)

    async def wait_in_effect(self, model, seconds):
        if self.effect is None:
            raise GatewayUnreachable("Envoy does not answer")
        return Effect(self.effect, "" if self.effect else "Envoy did not take it over")

    async def mirroring(self, served):
        return self.mirrors

    async def mirrored(self, model, colour):
        if self.copies is None:
            raise GatewayUnreachable("Envoy does not answer")
        return dict(self.copies)

    async def remove(self, model):
        self.routes.pop(model, None)


class LocalProcesses:
    """Predictors that are ready at once, unless `slow`; `up` False: they cannot be seen."""

    def __init__(self, clock):
        self.clock = clock
        self.up = True
        self.settled = []
        self.colours = {}
        self.loads = []
        self.slow = False

    async def ensure(self, served, colour, digest):
        self.loads.append((colour, digest))
        port = 8400 if colour is Colour.BLUE else 8500
        make = unready if self.slow else ready
        self.colours[colour] = make(digest, port, self.clock.now())

    async def settle(self, served, colour):
        self.settled.append(colour)
        state = self.colours[colour]
        scale = served.scale if state.scale else None
        self.colours[colour] = replace(state, scale=scale, intact=True)

    async def observe(self, model):
        if not self.up:
            raise WorkloadsUnreachable("the API server is down")
        return dict(self.colours) if model == MODEL else {}

    async def stop(self, model, colour):
        self.colours.pop(colour, None)

    async def remove(self, model):
        self.colours.clear()

    def become_ready(self):
        for colour, state in self.colours.items():
            self.colours[colour] = replace(state, ready=True, since=self.clock.now())


class PredictorMetrics:
    def __init__(self):
        self.counters = Counters()
        self.in_flight = 0
        self.up = True

    async def read(self, addresses, slow_over_ms):
        if not self.up:
            raise MetricsUnreachable(f"{addresses[0]} does not answer")
        return Reading({addresses[0]: self.counters}, self.in_flight)

    def count(self, requests, errors=0, over=0):
        answered = requests - errors
        self.counters = self.counters.plus(Counters(requests, errors, answered, over))


class JournalFile:
    def __init__(self):
        self.notes = {}

    def load(self, model):
        return self.notes.get(model, Notes())

    def save(self, model, notes):
        self.notes[model] = notes


class Lease:
    """The lead among replicas in one process; who loses it is cancelled where it waits."""

    def __init__(self, holder):
        self.holder = holder
        self.limits = set()

    def give(self, holder):
        self.holder = holder
        for limit in self.limits:
            limit.reschedule(0)


class Leadership:
    """One replica's part in a Lease."""

    def __init__(self, lease, replica):
        self._lease = lease
        self._replica = replica

    @property
    def leads(self):
        return self._lease.holder == self._replica

    @asynccontextmanager
    async def acting(self):
        if not self.leads:
            raise NotLeading("another replica leads")
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._lease.limits.add(limit)
                yield
        except TimeoutError as error:
            raise NotLeading("the lead was lost while acting") from error
        finally:
            self._lease.limits.discard(limit)


class ServedModelFiles:
    """What people wrote, and what was published of it."""

    def __init__(self, *models):
        self.models = {model.name: model for model in models}
        self.refused = {}
        self.published = {}
        self.up = True

    async def read(self):
        if not self.up:
            raise ServedModelsUnreachable("the API server is down")
        return ServedModelsRead(dict(self.models), dict(self.refused), dict(self.published))

    async def publish(self, model, status):
        self.published[model] = status


PATIENCE = Patience(load=60, unready=5, evidence=2, pairing=1, drain=15, leaving=0)


class World:
    """All fakes of one model, joined as `app` joins the adapters."""

    def __init__(self, state=None, served=None):
        self.clock = Clock()
        self.ledger = RegistryHttp(self.clock, state or a_state())
        self.pairs = DriftHttp()
        self.gateway = EnvoyGateway()
        self.workloads = LocalProcesses(self.clock)
        self.metrics = PredictorMetrics()
        self.journal = JournalFile()
        self.lease = Lease("one")
        self.signed = []
        self.ports = Ports(
            ledger=self.ledger,
            pairs=self.pairs,
            gateway=self.gateway,
            workloads=self.workloads,
            metrics=self.metrics,
            journal=self.journal,
            leadership=Leadership(self.lease, "one"),
            clock=self.clock,
            sign=self._sign,
            meters=Meters(),
        )
        self.served = served or a_served_model()
        self.forget()

    def replica(self, name):
        """Return another controller on the same world, with a memory and a journal of its own."""
        other = copy.copy(self)
        other.journal = JournalFile()
        leadership = Leadership(self.lease, name)
        other.ports = replace(
            self.ports, journal=other.journal, leadership=leadership, meters=Meters()
        )
        other.forget()
        return other

    def forget(self):
        """Start again as after a crash of the controller: only the world outside is left."""
        self.memory = ModelMemory(self.served, PATIENCE, self.journal.load(MODEL))

    @property
    def rollout(self):
        return self.ledger.state.rollout

    @property
    def route(self):
        return self.gateway.routes[MODEL]

    @property
    def intent(self):
        return self.route.intent

    def serving(self, rollout, intent=NOTHING_TO_SERVE, seq=20):
        """Put a Rollout's two versions and a route in place."""
        self.workloads.colours = {
            rollout.candidate_colour: ready(rollout.candidate, 8500),
            rollout.candidate_colour.other: ready(rollout.baseline, 8400),
        }
        backends = {c: s.address for c, s in self.workloads.colours.items()}
        self.gateway.routes[MODEL] = Route(
            MODEL, self.served.hostnames, intent, backends, rollout, seq
        )
        self.gateway.revisions[MODEL] = 1

    def _sign(self, payload_type, payload):
        statement = json.loads(payload)
        self.signed.append(statement)
        return {"payloadType": payload_type, "statement": statement}


class Backend:
    """A real HTTP/1.1 server that remembers what it was asked and says who it is."""

    def __init__(self, name):
        self.name = name
        self.requests = []
        self.last_seen = 0.0
        self.port = 0
        self.status = 200
        self._open = set()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._open:
                writer.close()
            while self._open:  # noqa: ASYNC110 - until each connection's task has seen it
                await asyncio.sleep(0)

    async def _serve(self, reader, writer):
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.last_seen = asyncio.get_running_loop().time()
                self.requests.append((head[0], headers, body))
                answer = self.answer(head[0], body)
                lines = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(answer)}\r\n\r\n"
                writer.write(lines.encode() + answer)
                await writer.drain()
        writer.close()
        self._open.discard(writer)

    def answer(self, _line, _body):
        return self.name.encode()

    def ids(self):
        return [headers["x-request-id"] for _, headers, _ in self.requests]
