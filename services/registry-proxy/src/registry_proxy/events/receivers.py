"""The document that names the receivers of events."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from registry_proxy.events.ports import Receiver

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_URL = re.compile(r"https?://[^\s/@]+(/\S*)?")
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how Standard Webhooks marks a secret
_SECRET_BYTES = 24


def read_receivers(document: Any) -> tuple[Receiver, ...]:
    """Read `{"receivers": [{"name", "url", "secrets", "from_start"?}]}`; raises ValueError."""
    try:
        receivers = tuple(_receiver(each) for each in document["receivers"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a receiver has name, url and secrets ({error!r})") from error
    names = [receiver.name for receiver in receivers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two receivers are named {name}")
    return receivers


def _receiver(document: Mapping[str, Any]) -> Receiver:
    name, url = document["name"], document["url"]
    if unknown := set(document) - {"name", "url", "secrets", "from_start"}:
        raise ValueError(f"{name} has {', '.join(sorted(unknown))}, which no receiver has")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: lower-case letters, digits and - are allowed")
    if not _URL.fullmatch(url):
        raise ValueError(f"the url of {name} must be an http or https address without a user")
    secrets = tuple(_secret(name, text) for text in document["secrets"])
    if not secrets:
        raise ValueError(f"{name} has no secret, so nobody could tell who sent an event")
    return Receiver(name, url, secrets, from_start=document.get("from_start", False) is True)


def _secret(name: str, text: str) -> bytes:
    if text.startswith(_SECRET_PREFIX):
        secret = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
        if len(secret) >= _SECRET_BYTES:
            return secret
    raise ValueError(
        f"a secret of {name} is not whsec_ and {_SECRET_BYTES} or more random bytes in base64"
    )
