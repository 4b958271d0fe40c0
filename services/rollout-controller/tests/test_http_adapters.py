"""What is sent to the neighbours and how their answers are read, over real HTTP."""

import json
from contextlib import asynccontextmanager

import pytest
from rollout_controller_fakes import (
    MODEL,
    NEW,
    OLD,
    START,
    Backend,
    a_rollout,
    a_state,
    verdict,
)

from lifecycle.model_states import ModelState
from lifecycle.rollouts import Colour, Marker, Phase
from lifecycle.subjects import subjects_of
from rollout_controller.adapters.drift_http import DriftHttp
from rollout_controller.adapters.http_json import HttpJson
from rollout_controller.adapters.predictor_metrics import PredictorMetrics
from rollout_controller.adapters.registry_http import RegistryHttp
from rollout_controller.ledger_moves import Advance, Ending
from rollout_controller.mirror_counts import MirrorRead
from rollout_controller.noise_floors import NoiseFloor
from rollout_controller.ports import (
    LedgerRefused,
    LedgerUnreachable,
    MetricsUnreachable,
    PairsUnreachable,
)
from rollout_controller.tallies import Counters, Reading

pytestmark = pytest.mark.anyio
MARKER = Marker("r7", 12, "health", OLD, Colour.BLUE, START, automatic=True)


class Neighbour(Backend):
    """Answers everything with one document and remembers what it was asked."""

    def __init__(self, content, status=200):
        super().__init__("neighbour")
        self.content = content
        self.status = status

    def answer(self, _line, _body):
        return (
            self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()
        )

    @property
    def asked(self):
        line, headers, body = self.requests[-1]
        method, path, _ = line.split(" ")
        return method, path, json.loads(body) if body else None, headers["authorization"]


@asynccontextmanager
async def asking(neighbour, adapter, timeout_seconds=2.0):
    async with neighbour.running():
        client = HttpJson(f"http://{neighbour.address}", lambda: "our-token", timeout_seconds)
        try:
            yield adapter(client)
        finally:
            await client.close()


def told(rollout=None, **more):
    return {"rollout": (rollout or a_rollout()).to_dict(), "seq": 21, **more}


async def test_the_state_of_a_model_comes_back_as_it_was():
    state = a_state(a_rollout())
    neighbour = Neighbour(state.to_dict())
    async with asking(neighbour, RegistryHttp) as ledger:
        assert await ledger.fetch_state(MODEL) == state
    assert neighbour.asked == ("GET", f"/v1/models/{MODEL}", None, "bearer our-token")


async def test_a_model_that_the_registry_does_not_know_is_empty():
    problem = {"type": "urn:isogloss:problem:unknown", "detail": "no such model", "status": 404}
    async with asking(Neighbour(problem, 404), RegistryHttp) as ledger:
        assert await ledger.fetch_state(MODEL) == ModelState(MODEL)


async def test_a_step_is_asked_for_with_its_evidence():
    answer = told(advanced=False, verdict=verdict("INCONCLUSIVE").to_dict())
    neighbour = Neighbour(answer)
    async with asking(neighbour, RegistryHttp) as ledger:
        request = Advance(Phase.CANARY, 1, 20, {"payload": "x"})
        advanced = await ledger.advance(MODEL, "r7", request)

    assert (advanced.advanced, advanced.verdict, advanced.seq) == (
        False,
        verdict("INCONCLUSIVE"),
        21,
    )
    body = {"phase": "CANARY", "step": 1, "expected_seq": 20, "evidence": {"payload": "x"}}
    assert neighbour.asked[:3] == ("POST", f"/v1/models/{MODEL}/rollouts/r7/advance", body)


async def test_an_ending_tells_all_it_rests_on():
    neighbour = Neighbour(told(a_rollout(Phase.ROLLED_BACK)))
    async with asking(neighbour, RegistryHttp) as ledger:
        ending = Ending(
            Phase.ROLLED_BACK, "health", MARKER, verdict("FAIL"), {"milliseconds": 9}, {"a": 1}
        )
        rollout, seq = await ledger.end(MODEL, "r7", ending)

    assert (rollout.phase, seq) == (Phase.ROLLED_BACK, 21)
    assert neighbour.asked[2] == {
        "phase": "ROLLED_BACK",
        "reason": "health",
        "marker": MARKER.to_dict(),
        "verdict": verdict("FAIL").to_dict(),
        "facts": {"milliseconds": 9},
        "evidence": {"a": 1},
    }


@pytest.mark.parametrize(("reason", "verb"), [("look", "pause"), (None, "resume")])
async def test_pausing_and_resuming_are_one_port(reason, verb):
    neighbour = Neighbour(told())
    async with asking(neighbour, RegistryHttp) as ledger:
        await ledger.hold(MODEL, "r7", reason, 20)

    assert neighbour.asked[1] == f"/v1/models/{MODEL}/rollouts/r7/{verb}"


async def test_a_refusal_keeps_the_registrys_words_and_members():
    problem = {"type": "urn:isogloss:problem:stale-sequence", "detail": "read again", "seq": 22}
    async with asking(Neighbour({**problem, "status": 409}, 409), RegistryHttp) as ledger:
        with pytest.raises(LedgerRefused, match="read again") as refused:
            await ledger.begin(MODEL, NEW, 20)

    assert (refused.value.problem, refused.value.members["seq"]) == ("stale-sequence", 22)


@pytest.mark.parametrize(
    ("content", "status"),
    [({}, 200), (b"<html>", 200), (b"down", 503), ({"rollout": None}, 200)],
    ids=["wrong form", "not JSON", "failing", "nulls"],
)
async def test_what_was_not_agreed_on_counts_as_no_answer(content, status):
    async with asking(Neighbour(content, status), RegistryHttp) as ledger:
        with pytest.raises(LedgerUnreachable):
            await ledger.fetch_state(MODEL)


async def test_a_registry_that_is_not_there_is_named_with_its_address(ports):
    url = f"http://127.0.0.1:{ports(1)[0]}"
    client = HttpJson(url, lambda: "token", 1)
    with pytest.raises(LedgerUnreachable, match=f"GET {url}/v1/models/{MODEL}"):
        await RegistryHttp(client).fetch_state(MODEL)
    await client.close()


async def test_a_pairing_is_put_with_both_versions():
    neighbour = Neighbour({})
    async with asking(neighbour, DriftHttp) as pairs:
        await pairs.register(MODEL, a_rollout(), START, 20)

    body = {"baseline": OLD, "candidate": NEW, "since": START, "mirror_percent": 20}
    assert neighbour.asked[:3] == ("PUT", f"/v1/models/{MODEL}/pairings/r7", body)


async def test_when_a_pairing_began_is_read_from_its_page():
    page = {"rollout": "r7", "since": START, "eligible": 9, "pairs": 8}
    async with asking(Neighbour(page), DriftHttp) as pairs:
        assert await pairs.paired_since(MODEL, a_rollout()) == START


async def test_a_rollout_that_is_not_paired_yet_has_no_beginning():
    problem = {"type": "urn:isogloss:problem:unknown-pairing", "detail": "none", "status": 404}
    async with asking(Neighbour(problem, 404), DriftHttp) as pairs:
        assert await pairs.paired_since(MODEL, a_rollout()) is None


async def test_shadow_evidence_is_asked_for_with_its_subjects():
    neighbour = Neighbour({"payload": "signed"})
    state = a_state(a_rollout(Phase.SHADOWING))
    async with asking(neighbour, DriftHttp) as pairs:
        subjects = subjects_of(state, state.find(NEW))
        mirror = MirrorRead(20, START, ((START, 0), (START + 5, 11)))
        envelope = await pairs.sign(MODEL, a_rollout(), subjects, START + 60, mirror)

    readings = [[START, 0], [START + 5, 11]]
    assert neighbour.asked[2]["mirror"] == {"percent": 20, "since": START, "readings": readings}
    assert envelope == {"payload": "signed"}
    assert neighbour.asked[2]["subjects"]["model"] == NEW
    assert neighbour.asked[2]["expires_at"] == START + 60


async def test_a_noise_floor_is_read_from_its_page():
    page = {"digest": OLD, "n": 500, "differing": 4, "lower": 0.004, "point": 0.008}
    neighbour = Neighbour({**page, "upper": 0.02, "measured_at": START})
    async with asking(neighbour, DriftHttp) as pairs:
        assert await pairs.noise(MODEL, OLD) == NoiseFloor(OLD, 500, 0.004, 0.008, 0.02, START)
    assert neighbour.asked[:2] == ("GET", f"/v1/models/{MODEL}/versions/{OLD}/noise")


async def test_a_version_that_was_never_asked_twice_has_no_noise_floor():
    problem = {"type": "urn:isogloss:problem:no-noise", "detail": "none", "status": 404}
    async with asking(Neighbour(problem, 404), DriftHttp) as pairs:
        assert await pairs.noise(MODEL, OLD) is None


async def test_a_drift_monitor_that_fails_is_unreachable():
    async with asking(Neighbour(b"no", 500), DriftHttp) as pairs:
        with pytest.raises(PairsUnreachable, match="status 500"):
            await pairs.paired_since(MODEL, a_rollout())


PAGE = b"""\
# TYPE isogloss_inference_requests_total counter
isogloss_inference_requests_total{outcome="ok",route="predict"} 90
isogloss_inference_requests_total{outcome="ok",route="v2"} 5
isogloss_inference_requests_total{outcome="rejected",route="predict"} 40
isogloss_inference_requests_total{outcome="error",route="v1"} 3
isogloss_inference_requests_total{outcome="overloaded",route="predict"} 2
# TYPE isogloss_inference_request_seconds histogram
isogloss_inference_request_seconds_bucket{le="0.1"} 60
isogloss_inference_request_seconds_bucket{le="0.15"} 80
isogloss_inference_request_seconds_bucket{le="+Inf"} 95
isogloss_inference_request_seconds_count 95
isogloss_inference_request_seconds_sum 9.5
# TYPE isogloss_inference_in_flight gauge
isogloss_inference_in_flight 4
"""


@asynccontextmanager
async def measuring(content, status=200):
    metrics = PredictorMetrics()
    async with Neighbour(content, status).running() as page:
        try:
            yield metrics, page.address
        finally:
            await metrics.close()


async def test_a_candidates_counters_leave_out_what_callers_did_wrong():
    async with measuring(PAGE) as (metrics, address):
        read = await metrics.read([address], 150)

    assert read == Reading({address: Counters(100, 5, 95, 15)}, in_flight=4)


async def test_one_of_several_predictors_that_does_not_answer_is_left_out():
    async with measuring(PAGE) as (metrics, address):
        read = await metrics.read(["127.0.0.1:1", address], 150)

    assert read == Reading({address: Counters(100, 5, 95, 15)}, in_flight=None)


async def test_a_predictor_that_was_not_asked_yet_has_counted_nothing():
    async with measuring(b"# TYPE isogloss_inference_requests_total counter\n") as (
        metrics,
        address,
    ):
        assert await metrics.read([address], 150) == Reading({address: Counters()}, in_flight=0)


async def test_latencies_counted_against_another_objective_are_not_guessed():
    async with measuring(PAGE) as (metrics, address):
        with pytest.raises(MetricsUnreachable, match="no latencies up to 120 ms"):
            await metrics.read([address], 120)


@pytest.mark.parametrize(("content", "status"), [(b"oops", 503), (b"a b c d", 200)])
async def test_a_page_that_cannot_be_read_is_said_to_be(content, status):
    async with measuring(content, status) as (metrics, address):
        with pytest.raises(MetricsUnreachable, match=f"http://{address}/metrics cannot be read"):
            await metrics.read([address], 150)
