"""One look for many askers: who asks while a look is under way waits for the next one together
with all who asked meanwhile, so what anybody is told was looked at after the question.
"""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

_About = TypeVar("_About", bound=Hashable)
_Seen = TypeVar("_Seen")


class Looks(Generic[_About, _Seen]):
    """Looks through `look`, in threads of its own, at one thing once at a time; `look` raises
    nothing. Its own, so that a store that hangs keeps nobody from looking elsewhere.
    """

    def __init__(self, look: Callable[[_About], _Seen], threads: int) -> None:
        self._look = look
        self._threads = ThreadPoolExecutor(threads, "look")
        self._under_way: dict[_About, asyncio.Task[_Seen]] = {}
        self._next: dict[_About, asyncio.Task[_Seen]] = {}

    async def see(self, about: _About) -> _Seen:
        """Return what a look says that begins after this call."""
        coming = self._next.get(about)
        if coming is None:
            before = self._under_way.get(about)
            coming = self._next[about] = asyncio.create_task(self._after(before, about))
        return await asyncio.shield(coming)

    async def _after(self, before: "asyncio.Task[_Seen] | None", about: _About) -> _Seen:
        if before is not None:
            await asyncio.wait({before})
        self._under_way[about] = self._next.pop(about)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._look, about)
        finally:
            del self._under_way[about]
