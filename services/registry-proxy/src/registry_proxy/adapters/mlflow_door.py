"""MLflow's tracking server as the door sees it: requests sent on as they are, and a few of its own.

Bodies are streamed both ways, so that an artifact of gigabytes costs no memory here.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from registry_proxy.door.paths import encoded
from registry_proxy.door.ports import Answer, Forwarded, MlflowUnavailable

_API = "/api/2.0/mlflow"
_MISSING = "RESOURCE_DOES_NOT_EXIST"


class MlflowDoor:
    """Implements `door.ports.Mlflow` on a tracking server's address."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        # No proxy from the environment, no redirects: the server is on this machine or cluster.
        self._client = httpx.AsyncClient(
            base_url=url, timeout=timeout_seconds, trust_env=False, follow_redirects=False
        )

    async def forward(self, request: Forwarded) -> Answer:
        """Send a request on; the answer is open until it is closed."""
        url = self._client.base_url.join(encoded(request.path)).copy_with(
            query=request.query or None
        )
        # What is compressed on the way could not be told a length.
        headers = {"accept-encoding": "identity", **request.headers}
        sent = self._client.build_request(
            request.method, url, headers=headers, content=request.body
        )
        try:
            return _Answer(await self._client.send(sent, stream=True), self._client)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def ask(
        self, method: str, call: str, members: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Make one call and read its JSON object; None where there is no such object."""
        reading = method == "GET"
        query, body = (dict(members), None) if reading else (None, dict(members))
        try:
            answer = await self._client.request(method, f"{_API}/{call}", params=query, json=body)
            told = answer.json()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except ValueError as error:
            raise MlflowUnavailable(f"MLflow answered {call} with no JSON: {error}") from error
        if not isinstance(told, dict):
            raise MlflowUnavailable(f"MLflow answered {call} with no JSON object")
        if answer.status_code == httpx.codes.OK:
            return told
        if told.get("error_code") == _MISSING:
            return None
        raise MlflowUnavailable(
            f"MLflow answered {call} with {answer.status_code}: {told.get('message')}"
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _unreachable(self, error: Exception) -> MlflowUnavailable:
        return MlflowUnavailable(
            f"MLflow at {self._client.base_url} cannot be reached ({error!r}); start it and try "
            "again"
        )


class _Answer:
    """Implements `door.ports.Answer`."""

    def __init__(self, answer: httpx.Response, client: httpx.AsyncClient) -> None:
        self._answer = answer
        self._client = client
        self.status = answer.status_code
        self.headers: Mapping[str, str] = answer.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.aiter_raw():
                yield chunk
        except httpx.HTTPError as error:
            raise MlflowUnavailable(f"MLflow broke off its answer: {error!r}") from error

    async def close(self) -> None:
        await self._answer.aclose()
