"""The receivers of events over HTTP."""

import httpx

from registry_proxy.events.ports import Message, ReceiverSilent

TIMEOUT_SECONDS = 10.0


class Webhooks:
    """Implements `events.ports.Post`. An answer's body is not read and no redirect is followed."""

    def __init__(self) -> None:
        # What the environment calls a proxy must not read the events.
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)

    async def send(self, url: str, message: Message) -> int:
        """Post one event; raises ReceiverSilent."""
        request = self._client.build_request(
            "POST", url, content=message.body, headers=dict(message.headers)
        )
        try:
            answer = await self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ReceiverSilent(f"{type(error).__name__}: {error}") from error
        await answer.aclose()
        return answer.status_code

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
