"""One look for many askers: who asks while a look is under way waits for the next one together
with all who asked meanwhile, so what anybody is told was looked at after the question.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_About = TypeVar("_About", bound=Hashable)
_Seen = TypeVar("_Seen")


class Looks(Generic[_About, _Seen]):
    """Looks through `look`, in a thread, at one thing once at a time; `look` raises nothing."""

    def __init__(self, look: Callable[[_About], _Seen]) -> None:
        self._look = look
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
            return await asyncio.to_thread(self._look, about)
        finally:
            del self._under_way[about]
