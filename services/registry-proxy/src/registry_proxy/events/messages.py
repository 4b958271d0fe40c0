"""An entry as a signed CloudEvent.

The form is CloudEvents 1.0.2 in structured JSON, with the extensions `sequence` and `partitionkey`;
the signature that of Standard Webhooks 1.0.0 (HMAC-SHA256 over id, time of sending and body), so
that its libraries verify it.
"""

import base64
import datetime as dt
import hashlib
import hmac

from lifecycle.digests import canonical_json
from lifecycle.ledger import LedgerEntry
from registry_proxy.events.ports import Message, Receiver

TYPE_PREFIX = "dev.isogloss.ledger."
SOURCE = "isogloss/registry-proxy"


def message_of(entry: LedgerEntry, receiver: Receiver, now: float) -> Message:
    """Return the event as it is sent to a receiver at `now`, in seconds since the epoch."""
    body = canonical_json(
        {
            "specversion": "1.0",
            "id": entry.hash,
            "source": SOURCE,
            "type": TYPE_PREFIX + entry.kind,
            "subject": entry.model,
            "time": dt.datetime.fromtimestamp(entry.time, dt.UTC).isoformat(),
            "datacontenttype": "application/json",
            "sequence": f"{entry.seq:020d}",
            "partitionkey": entry.model,
            "data": entry.to_dict(),
        }
    )
    sent = str(int(now))
    signed = b".".join([entry.hash.encode(), sent.encode(), body])
    return Message(
        body,
        {
            "content-type": "application/cloudevents+json",
            "webhook-id": entry.hash,
            "webhook-timestamp": sent,
            "webhook-signature": " ".join(_sign(secret, signed) for secret in receiver.secrets),
        },
    )


def _sign(secret: bytes, signed: bytes) -> str:
    code = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(code).decode()}"
