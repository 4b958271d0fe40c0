"""One teller for each receiver that is named now: receivers come and go without a restart."""

import asyncio
import logging
from collections.abc import Callable

from registry_proxy.events.ports import OutboxUnavailable, Receiver
from registry_proxy.events.tell import Means, Teller

_log = logging.getLogger(__name__)


class Telling:
    """Keeps the tellers while `run` is awaited."""

    def __init__(self, receivers: Callable[[], tuple[Receiver, ...]], means: Means) -> None:
        self._receivers = receivers
        self._means = means
        self._tellers: dict[str, tuple[Teller, asyncio.Task[None]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self) -> None:
        """Tell that the ledger has a new entry; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake_all)

    async def run(self) -> None:
        """Keep them until cancelled; raises what a teller fell over."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._follow(self._receivers())
                running = [task for _, task in self._tellers.values()]
                if not running:
                    await asyncio.sleep(self._means.pace.look)
                    continue
                done, _ = await asyncio.wait(
                    running, timeout=self._means.pace.look, return_when=asyncio.FIRST_COMPLETED
                )
                for ended in done:
                    ended.result()
        finally:
            await self._end()

    def _follow(self, receivers: tuple[Receiver, ...]) -> None:
        wanted = {receiver.name: receiver for receiver in receivers}
        for name, (teller, task) in list(self._tellers.items()):
            if wanted.get(name) != teller.receiver:
                task.cancel()
                del self._tellers[name]
        for name, receiver in wanted.items():
            if name not in self._tellers:
                teller = Teller(receiver, self._means)
                self._tellers[name] = teller, asyncio.ensure_future(teller.run())

    async def _end(self) -> None:
        running = [task for _, task in self._tellers.values()]
        self._follow(())
        await asyncio.gather(*running, return_exceptions=True)
        try:
            await asyncio.to_thread(self._means.outbox.release, self._means.name)
        except OutboxUnavailable as unavailable:
            _log.warning("leases lapse by themselves", extra={"reason": str(unavailable)})

    def _wake_all(self) -> None:
        for teller, _ in self._tellers.values():
            teller.wake()
