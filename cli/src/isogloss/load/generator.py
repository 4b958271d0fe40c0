"""Sends requests on an open-loop schedule over a bounded number of connections.

Request i is due at start + i/rate whatever happened to those before it, as users do not wait for
each other. When all connections are busy requests queue here, and their wait counts as latency;
past a second's worth of queue they are counted as not sent. Times are of `steady`: an event loop's
own clock may tick in milliseconds, as uvloop's does, and many answers take no more than two.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from isogloss.adapters.processes import steady
from isogloss.load.addresses import Address
from isogloss.load.channel import Channel, Incoming, Outgoing
from isogloss.load.tally import GATEWAY, Answer, Tally
from isogloss.load.texts import LabelledText

_LOOK_EVERY_SECONDS = 0.25


@dataclass(frozen=True)
class LoadPlan:
    """What is asked of the generator: `rate` requests a second for `seconds` (None: until it is
    stopped) to an address, at most `connections` at once, each answered within `timeout_seconds`.
    The texts are sent in turn, from the one after the first `skip`.
    """

    address: Address
    rate: float
    seconds: float | None
    connections: int = 64
    timeout_seconds: float = 10.0
    slices: Mapping[str, str] = field(default_factory=dict)
    skip: int = 0


class LoadGenerator:
    """One run. `on_answer` is told each answer's text and request id, for feedback."""

    def __init__(
        self,
        plan: LoadPlan,
        texts: Sequence[LabelledText],
        epoch: Callable[[], float],
        on_answer: Callable[[LabelledText, str], None] | None = None,
    ) -> None:
        self.tally = Tally()
        self._plan = plan
        self._texts = texts
        self._epoch = epoch
        self._on_answer = on_answer
        self._requests = [_render(plan, text.text) for text in texts]
        self._waiting: deque[Outgoing] = deque()
        self._free: list[Channel] = []
        self._open: set[Channel] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._stopping = False

    def stop(self) -> None:
        """Send no more; what is on its way is still awaited."""
        self._stopping = True

    async def run(self) -> None:
        """Send until the time is over or `stop` was called, then await the last answers."""
        self._loop = asyncio.get_running_loop()
        self._epoch_of_clock = self._epoch() - steady()
        watch = asyncio.create_task(self._drop_late())
        await self._send_on_schedule()
        while self._waiting or len(self._free) < len(self._open) or self._opening:  # noqa: ASYNC110 - an event would cost every request
            await asyncio.sleep(_LOOK_EVERY_SECONDS / 10)
        watch.cancel()
        for channel in list(self._open):
            channel.give_up()

    def answered(self, channel: Channel, request: Outgoing, answer: Incoming) -> None:
        """Count an answer and use the channel for the next request."""
        at = steady()
        shift = self._epoch_of_clock
        self.tally.add(
            Answer(
                status=answer.status,
                version=answer.version or GATEWAY,
                sent_at=channel.sent_at + shift,
                answered_at=at + shift,
                milliseconds=(at - request.due) * 1000,
            )
        )
        if self._on_answer and answer.status == 200 and answer.request_id:
            self._on_answer(self._texts[request.text], answer.request_id)
        if not channel.closing:
            self._use(channel)

    def lost(self, channel: Channel, request: Outgoing | None) -> None:
        """Count the request that went down with its connection."""
        self._open.discard(channel)
        if channel in self._free:
            self._free.remove(channel)
        if request is not None:
            self.tally.unanswered["connection"] += 1

    async def _send_on_schedule(self) -> None:
        start = steady()
        end = start + self._plan.seconds if self._plan.seconds is not None else None
        for number in count():
            due = start + number / self._plan.rate
            if end is not None and due >= end:
                return
            while not self._stopping and (wait := due - steady()) > 0:  # noqa: ASYNC110 - it waits for a time
                await asyncio.sleep(min(wait, _LOOK_EVERY_SECONDS))
            if self._stopping:
                return
            text = (self._plan.skip + number) % len(self._texts)
            self._dispatch(Outgoing(self._requests[text], due, text))

    def _dispatch(self, request: Outgoing) -> None:
        while self._free:
            channel = self._free.pop()
            if not channel.closing:
                channel.send(request)
                return
        if len(self._waiting) >= max(self._plan.rate, 1):
            self.tally.not_sent += 1
        else:
            self._waiting.append(request)
            if len(self._open) + len(self._opening) < self._plan.connections:
                task = asyncio.create_task(self._open_channel())
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)

    def _use(self, channel: Channel) -> None:
        if self._waiting:
            channel.send(self._waiting.popleft())
        else:
            self._free.append(channel)

    async def _open_channel(self) -> None:
        plan = self._plan
        connecting = self._loop.create_connection(
            lambda: Channel(self, steady), plan.address.host, plan.address.port
        )
        try:
            _, channel = await asyncio.wait_for(connecting, plan.timeout_seconds)
        except OSError:
            if self._waiting:
                self._waiting.popleft()
                self.tally.unanswered["connection"] += 1
            return
        self._open.add(channel)
        self._use(channel)

    async def _drop_late(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            limit = steady() - self._plan.timeout_seconds
            free = set(self._free)
            for channel in self._open - free:
                if channel.sent_at < limit and channel.give_up() is not None:
                    self.tally.unanswered["timeout"] += 1
            while self._waiting and self._waiting[0].due < limit:
                self._waiting.popleft()
                self.tally.unanswered["timeout"] += 1


def _render(plan: LoadPlan, text: str) -> bytes:
    body = json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    slices = "".join(f"x-slice-{key}: {value}\r\n" for key, value in plan.slices.items())
    head = (
        f"POST /predict HTTP/1.1\r\nhost: {plan.address.authority}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{slices}\r\n"
    )
    return head.encode("latin-1") + body
