"""The values of one user in every drop, wherever the rows of the drop lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import Any

import polars as pl

from streamflow.platform import Platform
from streamflow.steps.data.frozen_reading import read_lake
from streamflow.warehouse import frozen, lake_revisions, score_pages
from streamflow.warehouse.lake_revisions import LakeRevision

Values = tuple[str, datetime, dict[str, Any]]


def read_values_of_key(
    platform: Platform,
    key: str | int,
    tables: Sequence[str],
) -> list[Values]:
    """Read the values of one user in the newest revision of each drop, the oldest drop first.

    From the lake, all rows of a revision are read to find one user.

    Returns:
        frozen table, as_of, and column -> value of its row
    """
    key_name = platform.catalog.entity.key
    values: list[Values] = score_pages.read_values_of_key(
        platform.connection, key, key_name=key_name, tables=tables
    )
    unloaded = lake_revisions.unloaded_revisions(platform.connection)
    if not unloaded:
        return values
    newest = {
        (revision.table, revision.as_of): revision
        for revision in frozen.all_revisions(platform.connection)
    }
    for revision in newest.values():
        in_lake = unloaded.get(revision.revision_key)
        if in_lake is not None and revision.table in tables:
            columns = frozen.stored_digest(platform.connection, revision).columns
            names = [column.name for column in columns]
            values += _find_in_lake(platform, in_lake, names, key)
    return sorted(values, key=itemgetter(1, 0))


def _find_in_lake(
    platform: Platform,
    revision: LakeRevision,
    names: Sequence[str],
    key: str | int,
) -> Iterable[Values]:
    """Yield the row of a user in a revision of the lake, if it has one."""
    is_user = pl.col(platform.catalog.entity.key) == key
    for frame in read_lake(platform, revision, names):
        for row in frame.filter(is_user).iter_rows(named=True):
            yield revision.table, revision.as_of, {name: _to_json(row[name]) for name in row}


def _to_json(value: Any) -> Any:
    """Return a value as PostgreSQL's JSON has it: dates and instants are text."""
    return value.isoformat() if isinstance(value, date) else value
