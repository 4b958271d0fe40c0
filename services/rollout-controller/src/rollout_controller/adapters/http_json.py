"""Asking another service over HTTP: an answer, a refusal it explains, or no usable answer."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from lifecycle.documents import DocumentRefused

_PROBLEM = "urn:isogloss:problem:"
Read = TypeVar("Read")


class NotAnswered(Exception):
    """The service was not reached, failed, or answered something else than agreed."""


class Refusal(Exception):
    """The service said no (4xx); `problem` is the slug of its problem type."""

    def __init__(self, problem: str, text: str, members: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.problem = problem
        self.members = members


class HttpJson:
    """One service's base address, our token for it and a time limit per question.

    The token is asked for each time, because a cluster renews it while we run. `transport` stands
    in for the network where the other service is in this process.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        timeout_seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._client = httpx.AsyncClient(base_url=url, timeout=timeout_seconds, transport=transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Return a 2xx answer; raises NotAnswered or Refusal."""
        headers = {"authorization": f"Bearer {self._token()}"}
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise NotAnswered(f"{method} {self._url}{path}: {reason}") from error
        if answer.is_success:
            return answer
        if answer.is_client_error:
            raise _refusal(answer)
        raise NotAnswered(f"{method} {self._url}{path}: status {answer.status_code}")


def understood(answer: httpx.Response, read: Callable[[httpx.Response], Read]) -> Read:
    """Read an answer; NotAnswered where it is not of the agreed form."""
    try:
        return read(answer)
    except (KeyError, TypeError, ValueError, DocumentRefused) as error:
        raise NotAnswered(f"{answer.url} answered another form than agreed: {error!r}") from error


def _refusal(answer: httpx.Response) -> Refusal:
    try:
        members = answer.json()
        problem = str(members["type"]).removeprefix(_PROBLEM)
        return Refusal(problem, str(members["detail"]), members)
    except (KeyError, TypeError, ValueError):
        return Refusal(f"status-{answer.status_code}", f"{answer.url} answered {answer.text}", {})
