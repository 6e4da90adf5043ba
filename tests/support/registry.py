"""What Feast's registry means, apart from its own bookkeeping."""

from __future__ import annotations

from typing import Any

# What Feast itself changes at every apply of the same files: times, states, its count of versions.
BOOKKEEPING = {
    "createdTimestamp",
    "lastUpdatedTimestamp",
    "state",
    "projectUuid",
    "projectMetadata",
    "versionId",
    "currentVersionNumber",
}


def meaning(content: Any) -> Any:
    """A dump of the registry without Feast's bookkeeping."""
    if isinstance(content, dict):
        return {key: meaning(value) for key, value in content.items() if key not in BOOKKEEPING}
    return [meaning(value) for value in content] if isinstance(content, list) else content
