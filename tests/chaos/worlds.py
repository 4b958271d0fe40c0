"""One model's world: a real registry-proxy in this process, and fakes of everything else.

A second passes where the controller has nothing to do. Users send requests all the time: one of
them fails if the route has weight on a colour that is not ready.
"""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace

import httpx
from chaos_deeds import Boundaries, Deeds, JournalDeeds, Killed
from registry_proxy_fakes import FakeRuns, evidence, labelled, pairs
from rollout_controller_fakes import MODEL, DriftHttp, World, a_served_model

from lifecycle.evidence import PAYLOAD_TYPE
from lifecycle.model_states import model_state_from_dict
from lifecycle.rollouts import Colour, all_to
from lifecycle.transitions import TransitionRefused
from registry_proxy.app import build
from rollout_controller.adapters.http_json import HttpJson
from rollout_controller.adapters.registry_http import RegistryHttp
from rollout_controller.forward import Wait
from rollout_controller.ports import (
    GatewayUnreachable,
    LedgerRefused,
    LedgerUnreachable,
    PairsUnreachable,
    WorkloadsUnreachable,
)
from rollout_controller.reconcile import ModelLoop
from rollout_controller.rollback_by_hand import CannotGoBack

LOADING_SECONDS = 2
CALM_SECONDS = 2
"""What the route has left is ended a second later."""
LONGEST_SECONDS = 240
_ASK_AGAIN = (GatewayUnreachable, LedgerUnreachable, PairsUnreachable, WorkloadsUnreachable)
_ANSWERS = (LedgerRefused, CannotGoBack, TransitionRefused)


@dataclass(frozen=True)
class Ended:
    """How a story ended, for comparison with others; `seconds` is from the fault to the moment at
    which everything was as the ledger says.
    """

    phase: str
    stages: tuple[str, ...]
    intent: object
    colours: dict
    kinds: tuple[str, ...]
    hit: str | None = None
    deeds: tuple[str, ...] = ()
    seconds: float | None = None

    def state(self):
        """Return what two ends are compared by."""
        return replace(self, hit=None, deeds=(), seconds=None)


class DriftMonitor(DriftHttp):
    """Signs real shadow Evidence of pairs of which `bad` in a thousand disagree."""

    def __init__(self, clock, signer):
        super().__init__()
        self.bad = 30
        self._clock = clock
        self._signer = signer

    async def sign(self, model, _rollout, subjects, _expires_at, _mirror):
        self._answer()
        measured = [pairs(bad=self.bad), labelled()]
        made = evidence("shadow", model, asdict(subjects), measured, self._clock.now())
        return self._signer.sign(PAYLOAD_TYPE, made.to_bytes())


class ChaosWorld(World):
    """A controller that can be killed at any deed, and started again."""

    def __init__(self, prepared, spec):
        super().__init__(served=a_served_model(**{"bakeSeconds": 3, **spec}))
        self.clock.time = prepared.clock.now
        self.started_at = self.clock.time
        self.workloads.slow = True
        self.boundaries = Boundaries(self.users_are_answered)
        self.disturbed_at = self.converged_after = None
        self.story = None
        self.asks = []
        self._asking, self._due = None, False
        self._http = None
        self._signers = prepared.signers
        self.pairs = DriftMonitor(self.clock, prepared.signers["drift-monitor"])

    def connect(self, http):
        """Have the controller's deeds counted; `http` asks the registry-proxy."""
        self._http, self.ledger = http, RegistryHttp(http)
        real = {"pairs": self.pairs, "ledger": self.ledger}
        real |= {"gateway": self.gateway, "workloads": self.workloads}
        wrapped = {kind: Deeds(kind, port, self.boundaries) for kind, port in real.items()}
        journal = JournalDeeds(self.journal, self.boundaries)
        sign = self._signers["rollout-controller"].sign
        self.ports = replace(self.ports, journal=journal, sign=sign, **wrapped)

    @property
    def phase(self):
        rollout = self.memory.state.rollout if self.memory.state else None
        return rollout.phase if rollout else None

    def forget(self):
        """Start anew; what the route has left stays for a second here, as in the service."""
        super().forget()
        self.memory.patience = replace(self.memory.patience, leaving=1)

    def restart(self):
        """Start a controller that knows nothing but the journal."""
        if self._asking:
            self._asking.cancel()
            self._asking = None
        self.forget()
        self.disturbed_at = self.clock.time

    async def tick(self):
        """Have people ask, then look once; where nothing is to be done a second passes."""
        try:
            await self._ask()
            action = await ModelLoop(self.ports, self.memory).look()
        except Killed:
            self.restart()
            action = None
        if self.boundaries.hit and self.disturbed_at is None:
            self.disturbed_at = self.clock.time
        waits = isinstance(action, Wait)
        if self.disturbed_at and self.converged_after is None and waits and self.is_consistent():
            self.converged_after = self.clock.time - self.disturbed_at
        if action is None or waits:
            self.pass_second()
        return action

    def take_away(self, part):
        """Have a part not answer, or what is on a disk not be written, until it is brought back."""
        self._set(part, away=True)

    def bring_back(self, part):
        self._set(part, away=False)

    def _set(self, part, *, away):
        match part:
            case "registry":
                self.boundaries.away["ledger"] = away
            case "route":
                self.boundaries.away["gateway.write"] = away
            case "disk":  # of every service on one machine: neither ledger nor journal is written
                for name in ("ledger.advance", "ledger.end", "ledger.hold", "journal.save"):
                    self.boundaries.away[name] = away
            case "journal":
                self.boundaries.away["journal.save"] = away
            case "drift-monitor":
                self.pairs.up = not away
            case "metrics":
                self.metrics.up = not away

    def is_consistent(self):
        """Tell whether the last look found the route to be what the ledger says."""
        seen = self.memory.seen
        settled = seen.fresh and not seen.going_back and seen.in_effect
        return bool(settled and seen.held and seen.held.route.intent == seen.target().intent)

    def pass_second(self):
        """Let users send requests, and predictors load."""
        self.clock.time += 1
        for colour, state in self.workloads.colours.items():
            if not state.ready and self.clock.time - state.since >= LOADING_SECONDS:
                ready = replace(state, ready=True, since=self.clock.time, reason="")
                self.workloads.colours[colour] = ready
        rollout = self.memory.state.rollout if self.memory.state else None
        route = self.gateway.routes.get(MODEL)
        if rollout and route and route.intent.weight(rollout.candidate_colour):
            sick = self.story is not None and rollout.phase is self.story.sick
            requests = self.story.requests if self.story else 0
            self.metrics.count(requests, errors=requests // 5 if sick else 0)
        self.users_are_answered("a second passed")

    def users_are_answered(self, after):
        """Fail if a request could fail now."""
        route = self.gateway.routes.get(MODEL)
        for colour in Colour:
            if route and route.intent.weight(colour):
                state = self.workloads.colours.get(colour)
                answers = state is not None and state.ready
                assert answers, f"after {after} {colour} has users and is not ready"

    async def read(self, path):
        """Return what the registry-proxy says."""
        return (await self._http.ask("GET", path)).json()

    async def ended(self):
        """Return how everything stands; the ledger must verify."""
        assert (await self.read("/v1/ledger/verify"))["problem"] is None
        state = model_state_from_dict(await self.read(f"/v1/models/{MODEL}"))
        history = (await self.read(f"/v1/models/{MODEL}/history"))["entries"]
        # What was asked again is denied again, and its Evidence may be there twice.
        kinds = (e["kind"] for e in history if e["kind"] not in ("denied", "evidence"))
        return Ended(
            phase=state.rollout.phase.value,
            stages=tuple(version.stage.value for version in state.versions),
            intent=self.intent,
            colours={colour: each.digest for colour, each in self.workloads.colours.items()},
            kinds=tuple(kinds),
            hit=self.boundaries.hit,
            deeds=tuple(self.boundaries.passed),
            seconds=self.converged_after,
        )

    async def _ask(self):
        """Ask what is due, and again what got no answer."""
        self._due = bool(self.asks) and (self._due or self.asks[0].when(self))
        if self._asking is None and self._due:
            self._asking = asyncio.create_task(self.asks[0].ask(self))
        if self._asking is None:
            return
        limit = 0.05 if self.asks[0].needs_looks else None
        await asyncio.wait({self._asking}, timeout=limit)
        if not self._asking.done():
            return
        asked, self._asking = self._asking, None
        try:
            asked.result()
        except _ASK_AGAIN:
            return
        except _ANSWERS:
            pass
        self.asks.pop(0)
        self._due = False


@asynccontextmanager
async def open_world(prepared, settings, spec):
    """Open a world on a registry's files, with a ServedModel's `spec`."""
    world = ChaosWorld(prepared, spec)
    service = build(settings, world.clock.now, lambda _url, _timeout: FakeRuns())
    async with service.app.router.lifespan_context(service.app):
        transport = httpx.ASGITransport(service.app, raise_app_exceptions=False)
        token = prepared.tokens["rollout-controller"]
        http = HttpJson("http://registry", lambda: token, 5, transport)
        world.connect(http)
        yield world
        await http.close()


async def play(world, story, fault=(0, None), fails=None, ends_after=None):
    """Serve version 1, then play a story to its end with a fault at one deed, `fails(world)` after
    each look; return how it ended, or how it stood after so many seconds.
    """
    while not isinstance(await world.tick(), Wait) or world.intent != all_to(Colour.BLUE):
        assert world.clock.time < world.started_at + LONGEST_SECONDS
    story.begin(world)
    world.boundaries.arm(*fault)
    calm, began = 0, world.clock.time
    for _ in range(LONGEST_SECONDS):
        action = await world.tick()
        if fails:
            fails(world)
        over = not world.asks and world.phase == story.end and isinstance(action, Wait)
        calm = calm + 1 if over and world.is_consistent() else 0
        if ends_after is None and calm > CALM_SECONDS:
            return await world.ended()
        if ends_after is not None and world.clock.time > began + ends_after:
            return await world.ended()
    raise AssertionError(f"{story.name} has not ended: {world.phase}, {world.memory.waiting}")
