"""The Leadership port where there is one controller only, as on a laptop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class AlwaysLeading:
    """Implements `ports.Leadership`."""

    leads = True

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[None]:
        """Run the block; nobody takes the lead away."""
        yield
