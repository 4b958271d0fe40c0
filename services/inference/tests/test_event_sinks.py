"""The behaviour of an EventSink, held by the fake and by the real adapter alike."""

import asyncio

import msgpack
import pytest

from inference.adapters.drift_monitor import DriftMonitor
from inference.ports import EventsRefused, EventsUnavailable

BATCH = msgpack.packb({"schema": 1, "rows": 2})


class Fake:
    def __init__(self, fakes):
        self._sink = fakes.FakeEventSink()
        self.says = self._sink.says

    def send(self):
        asyncio.run(self._sink.send(BATCH))
        return self._sink.taken


class Real:
    def __init__(self, fake, token_file):
        self._fake, self._token_file = fake, token_file
        self.says = fake.says

    def send(self):
        async def send():
            sink = DriftMonitor(self._fake.url + "/", self._token_file)
            try:
                await sink.send(BATCH)
            finally:
                await sink.close()

        asyncio.run(send())
        return self._fake.batches


@pytest.fixture
def drift_monitor(fakes):
    with fakes.FakeDriftMonitor().running() as running:
        yield running


@pytest.fixture(params=["fake", "real"])
def sink(request, fakes, drift_monitor, private_file):
    if request.param == "fake":
        return Fake(fakes)
    return Real(drift_monitor, private_file("token", fakes.TOKEN))


def test_a_batch_is_taken(sink):
    assert sink.send() == [{"schema": 1, "rows": 2}]


@pytest.mark.parametrize("said", [500, 503])
def test_a_batch_may_be_sent_again_after_a_5xx(sink, said):
    sink.says.append(said)

    with pytest.raises(EventsUnavailable):
        sink.send()
    assert len(sink.send()) == 1


def test_a_4xx_is_final(sink):
    sink.says.append(422)

    with pytest.raises(EventsRefused):
        sink.send()


def test_a_drift_monitor_that_is_down_is_unavailable(private_file, fakes):
    nobody = fakes.FakeDriftMonitor()
    nobody.url = "http://127.0.0.1:1"

    with pytest.raises(EventsUnavailable, match="cannot be reached"):
        Real(nobody, private_file("token", fakes.TOKEN)).send()


def test_a_wrong_token_is_refused(drift_monitor, private_file):
    with pytest.raises(EventsRefused, match="401"):
        Real(drift_monitor, private_file("token", "another")).send()
