"""What the rollout-controller asks of the drift-monitor is what that understands."""

import asyncio
import json

import httpx
import pytest

from drift_monitor.schemas import EvidenceWish, PairingWish
from lifecycle.evidence import Subjects
from lifecycle.rollouts import Colour, Phase, Rollout
from rollout_controller.adapters.drift_http import DriftHttp
from rollout_controller.mirror_counts import MirrorRead

ROLLOUT = Rollout(
    id="r7",
    candidate="sha256:" + "c" * 64,
    candidate_colour=Colour.GREEN,
    baseline="sha256:" + "b" * 64,
    phase=Phase.SHADOWING,
    step=-1,
    paused=None,
    started_at=0.0,
    phase_since=0.0,
)


class Neighbour:
    """Remembers what it was asked, as it goes over the wire."""

    async def ask(self, _method, _path, body):
        self.body = json.loads(json.dumps(body))
        return httpx.Response(200, json={"since": 5.0})


@pytest.fixture
def asked():
    def ask(question):
        neighbour = Neighbour()
        asyncio.run(question(DriftHttp(neighbour)))
        return neighbour.body

    return ask


def test_a_pairing_is_asked_for_with_its_mirror(asked):
    body = asked(lambda pairs: pairs.register("sentiment", ROLLOUT, 5.0, 20))

    assert PairingWish.model_validate(body).mirror_percent == 20


@pytest.mark.parametrize("readings", [(), ((5.0, 0), (6.5, 31))], ids=["unread", "read"])
def test_evidence_is_asked_for_with_what_the_gateway_mirrored(asked, readings):
    mirror = MirrorRead(20, 5.0, readings)
    body = asked(lambda pairs: pairs.sign("sentiment", ROLLOUT, Subjects(*"abcdef"), 9.0, mirror))

    read = EvidenceWish.model_validate(body).mirror.to_count()
    assert (read.percent, read.since, read.readings) == (20, 5.0, readings)
