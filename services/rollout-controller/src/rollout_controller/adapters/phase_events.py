"""What happened to a Rollout as an Event of its ServedModel, for `kubectl describe`. Pure.

The ledger is the record; an Event that is lost, or gone after an hour, is no loss.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

_COMPONENT = "isogloss-rollout-controller"
_GIVEN_UP = ("ROLLED_BACK", "ABORTED")
_MOVES = ("phase", "step", "paused")
_LONGEST_MESSAGE = 1000


def event_of(item: Mapping[str, Any], status: Mapping[str, Any], now: datetime) -> Any | None:
    """Return the Event to make when `status` takes the place of the item's; None where the Rollout
    has not moved.
    """
    before = item.get("status", {})
    if "phase" not in status or all(before.get(key) == status.get(key) for key in _MOVES):
        return None
    metadata, at = item["metadata"], now.strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{now.timestamp():.6f}"},
        "involvedObject": {"apiVersion": item["apiVersion"], "kind": item["kind"], **about},
        "type": "Warning" if _is_bad(status) else "Normal",
        "reason": _reason(status),
        "message": _message(status)[:_LONGEST_MESSAGE],
        "source": {"component": _COMPONENT},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def _is_bad(status: Mapping[str, Any]) -> bool:
    return status["phase"] in _GIVEN_UP or bool(status.get("paused"))


def _reason(status: Mapping[str, Any]) -> str:
    word = "Paused" if status.get("paused") else str(status["phase"]).title().replace("_", "")
    return f"Rollout{word}"


def _message(status: Mapping[str, Any]) -> str:
    step = f" step {status['step']}" if "step" in status else ""
    said = [f"{status['phase']}{step}, {status.get('weights', 'no route')}"]
    if status.get("paused"):
        said.append(status["paused"])
    if status["phase"] in _GIVEN_UP:
        reasons = status.get("verdictReasons", ())
        said += [each["text"] for each in reasons if each["outcome"] == "FAIL"]
    return "; ".join(said)
