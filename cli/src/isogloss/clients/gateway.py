"""The gateway's public route: one prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isogloss.adapters.http import Service
from isogloss.adapters.ways import FixedWay


@dataclass(frozen=True)
class Gateway:
    """Where users send their requests; `host` is the host name that the model answers to (None:
    the address's own), `remedy` what to do when nobody answers.
    """

    url: str
    host: str | None = None
    remedy: str = FixedWay.remedy


def ask_all(gateway: Gateway, texts: Sequence[str]) -> None:
    """Send each text once, one after the other."""
    service = Service("the gateway", FixedWay(gateway.url, None, gateway.remedy))
    headers = {"Host": gateway.host} if gateway.host else {}
    try:
        for text in texts:
            service.send("POST", "/predict", json={"text": text}, headers=headers)
    finally:
        service.close()


def predict(gateway: Gateway, text: str) -> dict[str, Any]:
    """Return the answer with its request id and the digest of the version that gave it."""
    service = Service("the gateway", FixedWay(gateway.url, None, gateway.remedy))
    headers = {"Host": gateway.host} if gateway.host else {}
    try:
        response = service.send("POST", "/predict", json={"text": text}, headers=headers)
    finally:
        service.close()
    return {
        **response.json(),
        "request_id": response.headers.get("x-request-id"),
        "version": response.headers.get("x-model-version"),
    }
