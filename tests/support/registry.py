"""What Feast's registry means, apart from its own bookkeeping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from feast import FeatureStore

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


@contextmanager
def stock_store(folder: Path) -> Iterator[FeatureStore]:
    """Feast's own store of a repository; the connections of its registry are closed at the end."""
    store = FeatureStore(repo_path=str(folder))
    try:
        yield store
    finally:
        store.registry.write_engine.dispose()
