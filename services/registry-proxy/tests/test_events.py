"""Telling receivers of entries: real HTTP on loopback, a clock that tests move."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from registry_proxy.adapters.webhooks import Webhooks
from registry_proxy.events.keep_telling import Telling
from registry_proxy.events.ports import Receiver
from registry_proxy.events.receivers import read_receivers
from registry_proxy.events.tell import Means, Pace, Told

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
PACE = Pace(look=0.02, first_retry=0.05, last_retry=0.2, lease=30.0)


class ReceivingServer:
    """Keeps what it is sent; answers what a test says, for some models something else."""

    def __init__(self):
        self.seen = []
        self.status = 204
        self.by_model = {}
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                event = json.loads(body)
                status = outer.by_model.get(event["subject"], outer.status)
                outer.seen.append((status, event, dict(self.headers.items()), body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def taken(self):
        return [event["data"]["seq"] for status, event, _, _ in self.seen if status < 300]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiving():
    server = ReceivingServer()
    yield server
    server.stop()


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def told_world(empty_world, receiving):
    """A registry-proxy that tells `receiving`; restarted with the setting."""
    world = empty_world
    receiver = {"name": "ci", "url": receiving.url, "secrets": [SECRET], "from_start": True}
    world._write("events.json", {"receivers": [receiver]})
    world.settings = world.settings.model_copy(update={"events_file": world.folder / "events.json"})
    world.restart()
    return world


def test_every_entry_is_told_in_order_and_proven(told_world, receiving):
    told_world.put_policy()
    told_world.staged()
    entries = told_world.history()

    until(lambda: len(receiving.seen) >= len(entries))

    assert [event["data"] for _, event, _, _ in receiving.seen] == entries
    _, event, headers, body = receiving.seen[0]
    assert (event["specversion"], event["type"]) == ("1.0", "dev.isogloss.ledger.policy")
    assert (event["id"], event["subject"]) == (entries[0]["hash"], "sentiment")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    code = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{code}"
    assert headers["content-type"] == "application/cloudevents+json"


def test_a_restart_goes_on_where_it_was(told_world, receiving):
    told_world.put_policy()
    until(lambda: receiving.taken() == [1])

    told_world.restart()
    told_world.put_policy(version="2.0.0")

    until(lambda: 2 in receiving.taken())
    # Whoever stops between telling and noting it tells once more: at least once, in order.
    assert receiving.taken() in ([1, 2], [1, 1, 2])


def test_a_dead_receiver_holds_nobody_up_and_is_seen(told_world, receiving):
    def metrics():
        return told_world.get("/metrics", role=None).text

    receiving.stop()
    told_world.put_policy()
    told_world.clock.now += 7
    digest = told_world.staged()

    assert told_world.version(digest)["stage"] == "STAGING"
    assert told_world.get("/readyz", role=None).status_code == 200
    until(lambda: 'events_total{outcome="silent",receiver="ci"}' in metrics())
    until(lambda: 'event_oldest_seconds{receiver="ci"} 7.0' in metrics())


def test_what_the_settings_file_names_must_be_usable(empty_world, launch):
    empty_world._write("events.json", {"receivers": [{"name": "ci"}]})

    status, said = launch(events_file=empty_world.folder / "events.json").refused()

    assert status == 1
    assert "names no receivers of events" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Ci"}, "is no name"),
        ({"url": "ftp://x"}, "must be an http or https address"),
        ({"url": "https://user:pw@host/"}, "must be an http or https address"),
        ({"secrets": []}, "has no secret"),
        ({"secrets": ["whsec_c2hvcnQ="]}, "24 or more random bytes"),
        ({"secrets": ["k" * 40]}, "is not whsec_"),
        ({"secret": SECRET}, "has secret, which no receiver has"),
    ],
)
def test_a_receiver_that_cannot_be_meant_is_refused(change, said):
    fields = {"name": "ci", "url": "https://host/x", "secrets": [SECRET]}

    with pytest.raises(ValueError, match=said):
        read_receivers({"receivers": [{**fields, **change}]})


def test_two_receivers_of_one_name_are_refused():
    one = {"name": "ci", "url": "https://host/x", "secrets": [SECRET]}

    with pytest.raises(ValueError, match="two receivers are named ci"):
        read_receivers({"receivers": [one, one]})


class Teller:
    """Tells in a thread of its own, quickly, with the real clock."""

    def __init__(self, outbox, receivers, name="one"):
        self.receivers = receivers
        self.outcomes = []
        told = Told(lambda _name, outcome: self.outcomes.append(outcome), lambda *_: None)
        self._means = (name, outbox, told)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._ready = threading.Event()
        self._thread.start()
        self._ready.wait()

    def stop(self):
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()

    def _run(self):
        self._loop.run_until_complete(self._tell())

    async def _tell(self):
        name, outbox, told = self._means
        post = Webhooks()
        means = Means(name, outbox, post, time.time, told, PACE)
        telling = Telling(lambda: tuple(self.receivers), means)
        self._task = self._loop.create_task(telling.run())
        self._ready.set()
        await asyncio.wait({self._task})
        await post.close()


@pytest.fixture
def tellers():
    started = []

    def start(*arguments, **options):
        started.append(Teller(*arguments, **options))
        return started[-1]

    yield start
    for teller in started:
        teller.stop()


def a_receiver(url, name="ci"):
    return Receiver(name, url, (b"k" * 32,), from_start=True)


@pytest.fixture
def write(scene):
    ledger = scene.open()

    def write(*models):
        for model in models:
            ledger.append(model, ledger.state(model).seq, scene.a_page())

    return write


def test_a_refused_event_holds_up_its_model_only_and_comes_again(scene, write, tellers, receiving):
    receiving.by_model["a"] = 503
    write("a", "b", "a", "b")
    tellers(scene.outbox(), [a_receiver(receiving.url)])
    until(lambda: receiving.taken() == [2, 4])
    until(lambda: [e["data"]["seq"] for s, e, _, _ in receiving.seen if s == 503] >= [1, 1])

    receiving.by_model.clear()

    until(lambda: receiving.taken() == [2, 4, 1, 3])


def test_a_receiver_that_is_silent_does_not_keep_another_waiting(scene, write, tellers, receiving):
    dead = a_receiver("http://127.0.0.1:9/", "dead")
    teller = tellers(scene.outbox(), [dead, a_receiver(receiving.url)])

    write("a", "b")

    until(lambda: receiving.taken() == [1, 2])
    until(lambda: "silent" in teller.outcomes)


def test_receivers_come_and_go_without_a_restart(scene, write, tellers, receiving):
    teller = tellers(scene.outbox(), [])
    write("a")
    teller.receivers.append(a_receiver(receiving.url))
    until(lambda: receiving.taken() == [1])

    teller.receivers.clear()
    time.sleep(0.1)  # a teller that is still there would have told by then
    write("a")
    time.sleep(0.1)
    assert receiving.taken() == [1]

    teller.receivers.append(a_receiver(receiving.url))
    until(lambda: receiving.taken() == [1, 2])


def test_of_two_processes_one_tells(scene, write, tellers, receiving):
    for name in ("one", "two"):
        tellers(scene.outbox(), [a_receiver(receiving.url)], name=name)

    write(*["a", "b"] * 20)

    until(lambda: len(receiving.taken()) >= 40)
    assert receiving.taken() == list(range(1, 41))
