"""Sign a webhook as Standard Webhooks 1.0.0 does: https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256


def make_headers(key: bytes, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook.

    Args:
        key: signs id, time and body.
        event_id: the same in every attempt, so that a receiver recognises a repeat.
        timestamp: of this attempt, in seconds since 1970.
        body: as it is sent.

    >>> headers = make_headers(
    ...     base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ...     "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...     1614265330,
    ...     b'{"test": 2432232314}',
    ... )
    >>> headers["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, sha256)).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
