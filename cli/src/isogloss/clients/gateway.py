"""The gateway's public route: one prediction."""

from typing import Any

from isogloss.adapters.http import Service


def predict(gateway: Service, text: str) -> dict[str, Any]:
    """Return the answer with its request id and the digest of the version that gave it."""
    response = gateway.send("POST", "/predict", json={"text": text})
    return {
        **response.json(),
        "request_id": response.headers.get("x-request-id"),
        "version": response.headers.get("x-model-version"),
    }
