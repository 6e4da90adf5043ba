"""keys: create, list and revoke API keys. A running API follows within seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streamflow.core.serving.api_keys import ApiKey, Scope, make_key
from streamflow.errors import ApiKeyUnknown
from streamflow.platform import Platform
from streamflow.warehouse.api_keys import add_api_key, api_keys, revoke_api_keys


@dataclass(frozen=True, kw_only=True)
class KeyRow:
    """A key as a command may show it: without the digest of its secret."""

    id: str
    name: str
    scope: Scope
    state: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None


@dataclass(frozen=True, kw_only=True)
class KeyReceipt:
    """A new key. `key` is its secret text, which is shown only this once."""

    key: str
    row: KeyRow


@dataclass(frozen=True, kw_only=True)
class RevokeReceipt:
    """The keys that are no longer valid after this call.

    revoked         those that this call revoked
    revoked_before  those with this name or id that were revoked before this call
    """

    revoked: tuple[KeyRow, ...]
    revoked_before: tuple[KeyRow, ...]


def create_key(platform: Platform, name: str, *, scope: Scope, days: int | None) -> KeyReceipt:
    """Create a key that expires after `days` days, or never for None.

    Several keys may have the same name: to replace a key, create the next one before you revoke
    the first one by its id.
    """
    now = datetime.now(UTC)
    new_key = make_key()
    expires = None if days is None else now + timedelta(days=days)
    stored_key = add_api_key(platform.connection, new_key, name=name, scope=scope, expires=expires)
    return KeyReceipt(key=new_key.text, row=_row(stored_key, now))


def list_keys(platform: Platform) -> list[KeyRow]:
    """Return every key that was ever created."""
    now = datetime.now(UTC)
    return [_row(key, now) for key in api_keys(platform.connection)]


def revoke_keys(platform: Platform, name_or_id: str) -> RevokeReceipt:
    """Revoke the key with this id, or all keys with this name. A second call changes nothing.

    Raises:
        ApiKeyUnknown: no key has this name or id.
    """
    revoked = revoke_api_keys(platform.connection, name_or_id)
    revoked_ids = {key.id for key in revoked}
    revoked_before = [
        key
        for key in api_keys(platform.connection)
        if name_or_id in (key.id, key.name) and key.id not in revoked_ids
    ]
    if not revoked and not revoked_before:
        raise ApiKeyUnknown(f"no key has the name or id '{name_or_id}'")
    now = datetime.now(UTC)
    return RevokeReceipt(
        revoked=tuple(_row(key, now) for key in revoked),
        revoked_before=tuple(_row(key, now) for key in revoked_before),
    )


def _row(key: ApiKey, now: datetime) -> KeyRow:
    """Return a key as a command may show it, with its state at `now`."""
    return KeyRow(
        id=key.id,
        name=key.name,
        scope=key.scope,
        state=key.state(now),
        created=key.created,
        expires=key.expires,
        revoked=key.revoked,
    )
