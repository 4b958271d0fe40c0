"""The fast lane: the two questions that are asked again and again, where a version stands and
whether an artifact is still the same (304), are answered in front of the app.

The lane makes no answer of its own. It keeps what the app said, and says it again while a look at
what the answer was made from, begun after the question, sees the same: the number of the ledger's
last entry, the artifact's manifest. So another replica's write counts at once. The caller is asked
for as the app does; whatever is unlike these questions, and every refusal but that of a caller,
goes to the app.
"""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from fastapi import FastAPI
from starlette.datastructures import Headers

from registry_proxy.artifacts.ports import ArtifactDamaged, ArtifactStore, StoreUnavailable
from registry_proxy.ledger.ports import Ledger, LedgerUnavailable
from registry_proxy.looks import Looks
from registry_proxy.middleware import App, Message, Receive, Scope, Send
from servicekit.callers import Callers, require_caller
from servicekit.problems import Problem, problem_page

_ANSWERS = 512
_BODY_BYTES = 65_536
_TAG_CHARACTERS = 200
"""Answers kept, the longest of them, and the longest `If-None-Match`: 32 MiB at the very most."""
_MANIFESTS_AT_ONCE = 16
_ROLES = ("viewer",)


@dataclass(frozen=True)
class Question:
    """A GET that is answered from what a look sees; a look at None leaves it to the app.

    `pattern` has a group where the look is at something that the path names. Only answers of
    `status` are kept; a 304 is asked for with `If-None-Match`.
    """

    pattern: re.Pattern[str]
    route: str
    status: int
    looks: Looks[str, Hashable]


class _Route(NamedTuple):
    """As much of a route as those who count requests read."""

    path: str


@dataclass(frozen=True)
class _Asked:
    """A question of one request; `key` is all of the request that its answer depends on."""

    question: Question
    about: str
    key: tuple[str, str | None]
    authorization: str


@dataclass(frozen=True)
class _Kept:
    seen: Hashable
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Lane:
    """The app's own answers to some questions, said again while they are true."""

    def __init__(self, app: App, callers: Callers, questions: tuple[Question, ...]) -> None:
        self._app = app
        self._callers = callers
        self._questions = questions
        self._kept: dict[tuple[str, str | None], _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, or pass the request on."""
        asked = self._taken(scope)
        if asked is None:
            await self._app(scope, receive, send)
            return
        try:
            await require_caller(self._callers, asked.authorization, _ROLES)
        except Problem as problem:
            scope["route"] = _Route(asked.question.route)
            await problem_page(problem, scope["path"])(scope, receive, send)
            return
        seen = await asked.question.looks.see(asked.about)
        kept = self._kept.get(asked.key)
        if kept is None or kept.seen != seen:
            await self._app(scope, receive, self._keeping(asked, seen, send))
            return
        scope["route"] = _Route(asked.question.route)
        status = asked.question.status
        await send({"type": "http.response.start", "status": status, "headers": list(kept.headers)})
        await send({"type": "http.response.body", "body": kept.body})

    def _taken(self, scope: Scope) -> _Asked | None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
            return None
        path = scope["path"]
        for question in self._questions:
            match = question.pattern.fullmatch(path)
            if match is None:
                continue
            headers = Headers(scope=scope)
            tag = headers.get("if-none-match")
            if len(tag or "") > _TAG_CHARACTERS or (question.status == 304 and tag is None):
                return None
            about = match[1] if match.lastindex else ""
            return _Asked(question, about, (path, tag), headers.get("authorization", ""))
        return None

    def _keeping(self, asked: _Asked, seen: Hashable | None, send: Send) -> Send:
        """Return a `send` that keeps an answer which comes whole in one message."""
        headers: tuple[tuple[bytes, bytes], ...] | None = None

        async def keeping(message: Message) -> None:
            nonlocal headers
            if (
                message["type"] == "http.response.start"
                and message["status"] == asked.question.status
            ):
                headers = tuple(message["headers"])
            elif headers is not None and not message.get("more_body"):
                self._keep(asked.key, _Kept(seen, headers, message.get("body", b"")))
            else:
                headers = None
            await send(message)

        return send if seen is None else keeping

    def _keep(self, key: tuple[str, str | None], kept: _Kept) -> None:
        if len(kept.body) > _BODY_BYTES:
            return
        self._kept.pop(key, None)
        if len(self._kept) == _ANSWERS:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = kept


def install_lane(app: FastAPI, callers: Callers, ledger: Ledger, store: ArtifactStore) -> None:
    """Put the lane in front of what the app has by now."""
    version = Question(
        re.compile(r"/v1/models/[a-z][a-z0-9-]{0,62}/versions/[a-z0-9:]{1,71}"),
        "/v1/models/{m}/versions/{ref}",
        200,
        Looks(_looking_at_head(ledger), threads=1),
    )
    same = Question(
        re.compile(r"/v1/artifacts/(sha256:[0-9a-f]{64})/manifest"),
        "/v1/artifacts/{digest}/manifest",
        304,
        Looks(_looking_at_manifest(store), _MANIFESTS_AT_ONCE),
    )
    app.add_middleware(Lane, callers=callers, questions=(version, same))


def _looking_at_head(ledger: Ledger) -> Callable[[str], Hashable | None]:
    def look(_about: str) -> Hashable | None:
        try:
            return ledger.head()
        except LedgerUnavailable:
            return None

    return look


def _looking_at_manifest(store: ArtifactStore) -> Callable[[str], Hashable | None]:
    def look(digest: str) -> Hashable | None:
        try:
            return store.manifest(digest)
        except (ArtifactDamaged, StoreUnavailable):
            return None

    return look
