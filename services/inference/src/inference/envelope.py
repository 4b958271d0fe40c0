"""What every HTTP answer of this service carries: whose request it was and which version answered.

The gateway sets `x-request-id` and overwrites a stranger's, since it joins pairs and feedback; one
is minted where there is no gateway. A caller's own id is echoed as `x-client-request-id`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SLICE_HEADER = "x-slice-"

REQUEST_ID = b"x-request-id"
CLIENT_REQUEST_ID = b"x-client-request-id"
# Ids are echoed, kept and joined on: nothing long, nothing that needs escaping.
_is_plain_id = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}").fullmatch


class Names(msgspec.Struct, gc=False):
    """What a request is called on its answer."""

    request_id: bytes
    client_request_id: bytes | None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return them as headers."""
        named = [(REQUEST_ID, self.request_id)]
        if self.client_request_id is not None:
            named.append((CLIENT_REQUEST_ID, self.client_request_id))
        return named


def name_request(headers: Mapping[bytes, bytes], new_id: Callable[[], str]) -> Names:
    """Return the names that a request's headers give it, or a new one."""
    given, callers = headers.get(REQUEST_ID), headers.get(CLIENT_REQUEST_ID)
    if given is None or not _is_plain_id(given):
        given = new_id().encode()
    if callers is not None and not _is_plain_id(callers):
        callers = None
    return Names(given, callers)


class Envelope:
    """An ASGI app around another that names request and version on all of its answers."""

    def __init__(self, app: App, digest: str, new_id: Callable[[], str]) -> None:
        self._app = app
        self._version = (b"x-model-version", digest.encode())
        self._new_id = new_id

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; its id is in `scope["state"]["request_id"]`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        names = name_request(dict(scope["headers"]), self._new_id)
        headers = [self._version, *names.headers()]
        scope["state"] = scope.get("state", {}) | {"request_id": names.request_id.decode()}

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._app(scope, receive, send_named)
