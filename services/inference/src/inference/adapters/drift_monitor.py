"""The drift-monitor as a place for batches of prediction events."""

from pathlib import Path

import httpx

from inference.ports import EventsRefused, EventsUnavailable
from servicekit.callers import FileRefused, read_token

_TIMEOUT_SECONDS = 2.0
_TRY_AGAIN = {408, 425, 429}  # beside every 5xx


class DriftMonitor:
    """Posts batches to one drift-monitor; the token is read anew, since it may be rotated."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = f"{url.rstrip('/')}/v1/events"
        self._token_file = token_file
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS)

    async def send(self, batch: bytes) -> None:
        """Post one batch; raises EventsUnavailable or EventsRefused."""
        try:
            answer = await self._http.post(self._url, content=batch, headers=self._headers())
        except (httpx.HTTPError, FileRefused) as error:
            raise EventsUnavailable(f"{self._url} cannot be reached: {error!r}") from error
        if answer.is_success:
            return
        said = f"{self._url} answers {answer.status_code}: {answer.text[:200]}"
        if answer.is_server_error or answer.status_code in _TRY_AGAIN:
            raise EventsUnavailable(said)
        raise EventsRefused(said)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    def _headers(self) -> dict[str, str]:
        token = read_token(self._token_file)
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/msgpack"}
