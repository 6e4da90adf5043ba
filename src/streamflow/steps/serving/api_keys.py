"""keys: who may ask the API, and for what. A running API follows within seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streamflow.core.serving.api_keys import ApiKey, Scope, make_key
from streamflow.errors import ApiKeyUnknown
from streamflow.platform import Platform
from streamflow.warehouse.api_keys import add_api_key, api_keys, revoke_api_keys


@dataclass(frozen=True, kw_only=True)
class KeyRow:
    """A key as one may show it: without the digest of its secret."""

    id: str
    name: str
    scope: Scope
    state: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None


@dataclass(frozen=True, kw_only=True)
class KeyReceipt:
    """A new key. `key` is shown now or never."""

    key: str
    row: KeyRow


@dataclass(frozen=True, kw_only=True)
class RevokeReceipt:
    """The keys that are in force no more."""

    revoked: tuple[KeyRow, ...]


def create_key(platform: Platform, name: str, *, scope: Scope, days: int | None) -> KeyReceipt:
    """Make a key. A name may be given again: to replace a key, make the next one before the first is revoked by its id."""
    now, new = datetime.now(UTC), make_key()
    expires = None if days is None else now + timedelta(days=days)
    kept = add_api_key(platform.connection, new, name=name, scope=scope, expires=expires)
    return KeyReceipt(key=new.text, row=_row(kept, now))


def list_keys(platform: Platform) -> list[KeyRow]:
    """Every key that was ever made."""
    now = datetime.now(UTC)
    return [_row(key, now) for key in api_keys(platform.connection)]


def revoke_keys(platform: Platform, called: str) -> RevokeReceipt:
    """Revoke the key of this id, or all of this name. Raises ApiKeyUnknown when there is none that is not revoked yet."""
    revoked = revoke_api_keys(platform.connection, called)
    if not revoked:
        raise ApiKeyUnknown(f"no key that is not revoked yet has the name or id '{called}'")
    return RevokeReceipt(revoked=tuple(_row(key, datetime.now(UTC)) for key in revoked))


def _row(key: ApiKey, now: datetime) -> KeyRow:
    return KeyRow(
        id=key.id,
        name=key.name,
        scope=key.scope,
        state=key.state(now),
        created=key.created,
        expires=key.expires,
        revoked=key.revoked,
    )
