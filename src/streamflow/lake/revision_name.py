"""A revision as the lake names it. This module does not import PyIceberg."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

MAIN = "main"  # the branch that is empty on purpose


def tag_of(as_of: datetime, revision: int) -> str:
    """Return the name of the Iceberg tag of a revision.

    >>> tag_of(datetime(2026, 1, 31), 2)
    'rev-2026-01-31-2'
    """
    return f"rev-{as_of:%Y-%m-%d}-{revision}"


@dataclass(frozen=True, kw_only=True)
class StoredRevision:
    """A revision as it is written into the lake.

    Attributes:
        table: The frozen table.
        as_of: The drop.
        revision: The number of the revision.
        digest: The digest of its rows; it stands in the summary of the snapshot.
        schema: The columns of its rows.
    """

    table: str
    as_of: datetime
    revision: int
    digest: str
    schema: pa.Schema

    @property
    def tag(self) -> str:
        """Return the name of the Iceberg tag."""
        return tag_of(self.as_of, self.revision)
