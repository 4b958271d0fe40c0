"""What KServe last warned of where it makes no Deployment; asked for now and then.

KServe writes into the status of an InferenceService only some of what it cannot do; the rest is in
its events. Those that say that something is not ready say nothing that is not seen without them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rollout_controller.adapters.workload_facts import Workload
from servicekit.kubernetes_api import ApiRefused, KubernetesApi, core

Object = Mapping[str, Any]
_EVERY_SECONDS = 10.0
"""As long, nothing is asked either: most often KServe just needs a moment."""

_NOT_READY = "InferenceServiceNotReady"


@dataclass(frozen=True)
class _Told:
    at: float
    text: str


class KServeWarnings:
    """Answers for one colour at a time; `clock` gives seconds. Raises KubernetesFault."""

    def __init__(self, api: KubernetesApi, namespace: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._told: dict[str, _Told] = {}

    async def last_about(self, workload: Workload) -> str:
        """Return KServe's last warning with its time; empty where there is none, or no need."""
        metadata, now = workload.inference_service["metadata"], self._clock()
        uid = metadata["uid"]
        if workload.is_told:
            self._told.pop(uid, None)
            return ""
        told = self._told.setdefault(uid, _Told(now, ""))
        if now - told.at >= _EVERY_SECONDS:
            told = self._told[uid] = _Told(now, await self._ask(uid))
        return told.text

    async def _ask(self, uid: str) -> str:
        about = f"involvedObject.uid={uid},type=Warning"
        try:
            events = await self._api.list(core(self._namespace, "events"), field_selector=about)
        except ApiRefused as error:
            return f"its events may not be read: {error}"
        last = max(
            (each for each in events if each.get("reason") != _NOT_READY), key=_at, default={}
        )
        return f"{_at(last)} {last.get('reason')}: {last.get('message')}" if last else ""


def _at(event: Object) -> str:
    """Return when an event was last seen, in RFC 3339."""
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(seen or event["metadata"].get("creationTimestamp", ""))
