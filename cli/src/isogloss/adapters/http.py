"""HTTP to one service: its refusals and its silence become the command's failures."""

from collections.abc import Mapping
from typing import Any, Self

import httpx

from isogloss.adapters.ways import Way
from isogloss.failures import Refused, Unreachable

_TIMEOUT = httpx.Timeout(30, connect=3)


class Service:
    """One service by name, and the way to it.

    Raises Unreachable when nothing answers, Refused with the problem's detail on 4xx and 5xx.
    """

    def __init__(self, name: str, way: Way) -> None:
        self.name = name
        self._way = way
        # The way leads there: a proxy of the environment would send it elsewhere.
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)

    def get(self, path: str) -> Any:
        """Read a JSON document."""
        return self.send("GET", path).json()

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        """Send a JSON document and read the answer."""
        return self.send("POST", path, json=document).json()

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send any request; `options` are httpx's (json, content, headers).

        Only a GET is sent a second time, on a new way: of anything else nobody knows whether it
        was done.
        """
        try:
            response = self._ask(method, path, options)
        except httpx.HTTPError as error:
            if not self._way.lost() or method != "GET":
                raise self._silence(error) from error
            response = self._ask_again(method, path, options)
        if response.is_error:
            raise self._refusal(response)
        return response

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()
        self._way.close()

    def _ask(self, method: str, path: str, options: Mapping[str, Any]) -> httpx.Response:
        token = self._way.token()
        own = {"Authorization": f"Bearer {token}"} if token else {}
        headers = {**own, **options.get("headers", {})}
        url = self._way.url() + path
        return self._client.request(method, url, **{**options, "headers": headers})

    def _ask_again(self, method: str, path: str, options: Mapping[str, Any]) -> httpx.Response:
        try:
            return self._ask(method, path, options)
        except httpx.HTTPError as error:
            self._way.lost()
            raise self._silence(error) from error

    def _silence(self, error: httpx.HTTPError) -> Unreachable:
        asked = error.request.url.copy_with(path="", query=None)
        return Unreachable(
            f"{self.name} does not answer at {str(asked).rstrip('/')} "
            f"({error or type(error).__name__}); {self._way.remedy}"
        )

    def _refusal(self, response: httpx.Response) -> Refused:
        problem = _problem(response)
        detail = problem.get("detail") or response.text[:300] or response.reason_phrase
        return Refused(f"{self.name}: {detail} ({response.status_code})", problem)


class ReadyPage:
    """A process's readiness page, looked at again and again while the block lasts."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(timeout=3, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def unready_reason(self) -> str | None:
        """Return None when it says ready, else why not in a few words."""
        try:
            response = self._client.get(self._url)
        except httpx.HTTPError as error:
            return str(error) or type(error).__name__
        if response.is_success:
            return None
        return str(_problem(response).get("detail") or f"it answers {response.status_code}")


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
