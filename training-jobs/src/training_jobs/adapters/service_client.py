"""One of our services over HTTP, as one caller: what it refuses is told in its own words."""

from typing import Any

import httpx

from training_jobs.refusals import JobRefused, Unreachable

RETRIES = 6
"""Attempts to connect after the first, 15 s in all: a service that is restarted is soon back, and a
Job has worked too long to fail by that. Nothing was sent before, so nothing is done twice.
"""
# Registering copies and hashes a whole artifact.
_SECONDS = 120.0
_CONNECT_SECONDS = 5.0
_TOLD = 300  # characters of an answer that is no problem document


class ServiceClient:
    """The service `name` at `url`, asked with a bearer token."""

    def __init__(self, name: str, url: str, token: str, retries: int = RETRIES) -> None:
        self._who = f"the {name}"
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self._url,
            headers={"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
            transport=httpx.HTTPTransport(retries=retries),
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return a successful answer; raises Unreachable, or JobRefused with the service's words.

        `options` are httpx's: json, params, headers, content.
        """
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise Unreachable(
                f"{self._who} at {self._url} did not answer ({error}); is it running?"
            ) from error
        if answer.is_success:
            return answer
        told = f"{self._who} answered {answer.status_code} to {method} {path}: {_detail(answer)}"
        raise Unreachable(told) if answer.is_server_error else JobRefused(told)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _detail(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError):
        return answer.text[:_TOLD]
