"""True labels sent to the drift-monitor while the load runs, a batch a second.

A batch that is refused is counted, not sent again: labels are feedback, not the load.
"""

import asyncio

import httpx

from isogloss.adapters.ways import Way
from isogloss.failures import Failure
from isogloss.load.texts import LabelledText

_LARGEST_BATCH = 500


class Feedback:
    """Collects (request id, label) pairs and posts them."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)
        self._held: list[dict[str, str]] = []
        self.sent = 0
        self.refused = 0
        self.last_refusal: str | None = None

    def add(self, text: LabelledText, request_id: str) -> None:
        """Keep one label for the next batch."""
        if text.label is not None:
            self._held.append({"request_id": request_id, "label": text.label})

    async def send(self) -> None:
        """Post what was collected since the last call."""
        held, self._held = self._held, []
        for start in range(0, len(held), _LARGEST_BATCH):
            await self._send(held[start : start + _LARGEST_BATCH])

    async def close(self) -> None:
        """Post the rest and end."""
        await self.send()
        await self._client.aclose()

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"sent": self.sent, "refused": self.refused, "last_refusal": self.last_refusal}

    async def _send(self, items: list[dict[str, str]]) -> None:
        try:
            # In a cluster the way may have to be opened first, and requests do not wait for that.
            url, token = await asyncio.to_thread(lambda: (self._way.url(), self._way.token()))
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            response = await self._client.post(
                f"{url}/v1/feedback", json={"items": items}, headers=headers
            )
            response.raise_for_status()
        except (httpx.HTTPError, Failure) as error:
            self.refused += len(items)
            self.last_refusal = str(error)
            if isinstance(error, httpx.TransportError):
                self._way.lost()
        else:
            self.sent += len(items)
