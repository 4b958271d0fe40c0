"""A cluster's callers: a ServiceAccount's token says who calls, RBAC says as what.

The API server is asked twice: TokenReview (is the token good, and meant for us?) and
SubjectAccessReview (may this account `act` on the resource `callers.isogloss.dev` named for the
role?). No such resource exists; RBAC needs none, so roles are given with plain Roles. Decision
record 0007. Tokens are neither kept nor logged, only their hashes are kept.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog

from servicekit.callers import BoundPod, Caller, CallersUnavailable
from servicekit.kubernetes_api import KubernetesFault, Object, grouped

_log = structlog.get_logger(__name__)

FRESH_SECONDS = 60.0
"""A caller that was removed, or lost a role, is let in no longer than this."""
FRESH_NO_SECONDS = 5.0
"""A refusal is asked again soon: a Role may be bound a moment after the first call."""
OLDEST_SECONDS = 600.0
"""How long a yes counts while the API server does not answer: it restarts within that."""
_PATIENCE_SECONDS = 0.5
"""Where an older yes is at hand, so long for a newer one: callers give up after 2 s."""
_MOST_KEPT = 4096

_REVIEWS = grouped("authentication.k8s.io/v1", "", "tokenreviews")
_ACCESS_REVIEWS = grouped("authorization.k8s.io/v1", "", "subjectaccessreviews")
_UNAVAILABLE = "The Kubernetes API server does not say now who calls: try again."

_Answer = TypeVar("_Answer")


class Creates(Protocol):
    """The one thing that is asked of the Kubernetes API here: see `KubernetesApi.create`."""

    async def create(self, path: str, item: Mapping[str, Any]) -> Object:
        """Create one object and return it as the API server answered; raises KubernetesFault."""
        ...


@dataclass(frozen=True)
class _Identity:
    """Whom the API server takes a token's bearer for."""

    name: str
    user: Mapping[str, Any]


class KubernetesCallers:
    """Implements `servicekit.callers.Callers`; `clock` gives seconds and never goes back."""

    def __init__(
        self, api: Creates, namespace: str, audience: str, clock: Callable[[], float]
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._audience = audience
        self._identities = _Memory[_Identity | None](clock)
        self._permissions = _Memory[bool](clock)

    async def find(self, token: str, roles: Collection[str]) -> Caller | None:
        """Return the token's account, with the first of `roles` that it may act as."""
        if not token:
            return None  # the API server would call the question malformed
        hashed = hashlib.sha256(token.encode()).digest()
        identity = await self._identities.recall(hashed, lambda: self._review(token))
        if identity is None:
            return None
        for role in roles:
            if await self._may_act_as(role, hashed, identity):
                return Caller(identity.name, frozenset({role}), _pod_of(identity.user))
        return Caller(identity.name, frozenset(), _pod_of(identity.user))

    async def _may_act_as(self, role: str, hashed: bytes, identity: _Identity) -> bool:
        return await self._permissions.recall(
            (hashed, role), lambda: self._review_access(role, identity)
        )

    async def _review(self, token: str) -> _Identity | None:
        spec = {"token": token, "audiences": [self._audience]}
        status = await self._ask(_REVIEWS, "authentication.k8s.io/v1", "TokenReview", spec)
        # An API server that knows no audiences would answer for its own: then the list is empty.
        if not status.get("authenticated") or self._audience not in status.get("audiences", ()):
            return None
        user = status["user"]
        return _Identity(user["username"], user)

    async def _review_access(self, role: str, identity: _Identity) -> bool:
        wish = {
            "namespace": self._namespace,
            "verb": "act",
            "group": "isogloss.dev",
            "resource": "callers",
            "name": role,
        }
        account = {key: identity.user[key] for key in ("uid", "extra") if key in identity.user}
        groups = identity.user.get("groups", [])
        spec = {"user": identity.name, "groups": groups, **account, "resourceAttributes": wish}
        kind = "SubjectAccessReview"
        status = await self._ask(_ACCESS_REVIEWS, "authorization.k8s.io/v1", kind, spec)
        return status.get("allowed") is True

    async def _ask(
        self, path: str, version: str, kind: str, spec: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        question = {"apiVersion": version, "kind": kind, "spec": spec}
        status: Mapping[str, Any] = (await self._api.create(path, question)).get("status", {})
        return status


def _pod_of(user: Mapping[str, Any]) -> BoundPod | None:
    extra = user.get("extra", {})
    named = [extra.get(f"authentication.kubernetes.io/pod-{key}", ()) for key in ("name", "uid")]
    return BoundPod(*(values[0] for values in named)) if all(named) else None


@dataclass(frozen=True)
class _Kept(Generic[_Answer]):
    answer: _Answer
    at: float


class _Memory(Generic[_Answer]):
    """Answers of the API server by question: asked once at a time, kept for a while.

    A true answer is a yes, any other a no.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Kept[_Answer]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Task[_Answer]] = {}

    async def recall(self, key: Hashable, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Return the kept answer while it is fresh, else ask; raises CallersUnavailable."""
        kept = self._kept.get(key)
        age = self._clock() - kept.at if kept else 0.0
        if kept and age < (FRESH_SECONDS if kept.answer else FRESH_NO_SECONDS):
            return kept.answer
        asking = self._asking.get(key) or self._begin(key, ask)
        spare = kept if kept and kept.answer and age < OLDEST_SECONDS else None
        try:
            if spare is None:
                return await asyncio.shield(asking)
            answered, _ = await asyncio.wait({asking}, timeout=_PATIENCE_SECONDS)
            return asking.result() if answered else spare.answer
        except KubernetesFault as fault:
            _log.warning("callers not reviewed", reason=str(fault), older_answer=spare is not None)
            if spare is None:
                raise CallersUnavailable(_UNAVAILABLE) from fault
            return spare.answer

    def _begin(
        self, key: Hashable, ask: Callable[[], Awaitable[_Answer]]
    ) -> "asyncio.Task[_Answer]":
        task = asyncio.ensure_future(self._ask(key, ask))
        self._asking[key] = task
        # Everybody who waited may be gone by then: a fault that nobody sees is no event.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return task

    async def _ask(self, key: Hashable, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        try:
            answer = await ask()
        finally:
            del self._asking[key]
        self._kept[key] = _Kept(answer, self._clock())
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return answer
