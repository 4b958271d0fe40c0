"""The drift-monitor as a place for batches of prediction events.

Batches are sent by a thread with the standard library's client: an asynchronous one takes
milliseconds for each on the event loop that answers callers, and a quarter of a second to import.
"""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from inference.ports import EventsRefused, EventsUnavailable
from servicekit.callers import FileRefused, read_token

_TIMEOUT_SECONDS = 2.0  # to connect, and for each read and write
_TRY_AGAIN = {408, 425, 429}  # beside every 5xx
_TOLD = 200  # characters of an answer that refuses


class DriftMonitor:
    """Posts batches to one drift-monitor; the token is read anew, since it may be rotated."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = f"{url.rstrip('/')}/v1/events"
        place = urlsplit(self._url)
        kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
        self._path = place.path
        self._http = kind(place.netloc, timeout=_TIMEOUT_SECONDS)
        self._token_file = token_file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events")

    async def send(self, batch: bytes) -> None:
        """Post one batch; raises EventsUnavailable or EventsRefused."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send, batch)

    async def close(self) -> None:
        """Give the connection back, after a batch that is under way."""
        await asyncio.to_thread(self._thread.shutdown)
        self._http.close()

    def _send(self, batch: bytes) -> None:
        try:
            status, said = self._post(batch)
        except (OSError, HTTPException, FileRefused) as error:
            self._http.close()  # what is left of the answer must not be taken for the next one's
            raise EventsUnavailable(f"{self._url} cannot be reached: {error!r}") from error
        if status in range(200, 300):
            return
        refusal = f"{self._url} answers {status}: {said}"
        if status >= 500 or status in _TRY_AGAIN:
            raise EventsUnavailable(refusal)
        raise EventsRefused(refusal)

    def _post(self, batch: bytes) -> tuple[int, str]:
        self._http.request("POST", self._path, batch, self._headers())
        with contextlib.closing(self._http.getresponse()) as answer:
            return answer.status, answer.read().decode(errors="replace")[:_TOLD]

    def _headers(self) -> dict[str, str]:
        token = read_token(self._token_file)
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/msgpack"}
