"""The Clock port on this machine's clock."""

import time


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        return time.time()
