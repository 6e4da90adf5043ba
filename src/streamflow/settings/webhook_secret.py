"""The secret that signs webhooks, as Standard Webhooks writes it."""

from __future__ import annotations

import base64
from typing import Annotated

from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError

SECRET_PREFIX = "whsec_"  # noqa: S105  # the standard's mark of a secret
# The lengths of a key that the standard allows, in bytes.
MIN_KEY_BYTES = 24
MAX_KEY_BYTES = 64


def read_webhook_key(secret: str) -> bytes | None:
    """Return the key of a secret `whsec_…`.

    None: it is not the base64 text of 24 to 64 bytes behind `whsec_`.

    >>> key = read_webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> len(key), read_webhook_key("whsec_c2hvcnQ="), read_webhook_key("secret")
    (24, None, None)
    """
    if not secret.startswith(SECRET_PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        return None
    return key if MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES else None


def _require_key(secret: SecretStr) -> SecretStr:
    if read_webhook_key(secret.get_secret_value()) is None:
        raise PydanticCustomError(
            "webhook_secret",
            "expected whsec_ and the base64 text of 24 to 64 bytes",
        )
    return secret


WebhookSecret = Annotated[SecretStr, AfterValidator(_require_key)]
