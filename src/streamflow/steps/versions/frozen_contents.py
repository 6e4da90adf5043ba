"""Read whole revisions that a passport names, with the columns that they were frozen with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.training.training_set import Source
from streamflow.platform import Platform
from streamflow.steps.data.frozen_reading import read_rows
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class FrozenContent:
    """A revision, and the type of each column that it was frozen with."""

    source: Source
    revision: Revision
    types: dict[str, str]


def find_content(platform: Platform, source: Source, revision: Revision) -> FrozenContent:
    """Find the columns of a revision that a passport names."""
    types = _column_types(platform, source, revision)
    return FrozenContent(source=source, revision=revision, types=types)


def read_contents(
    platform: Platform, contents: Iterable[FrozenContent]
) -> Iterator[tuple[FrozenContent, pl.DataFrame]]:
    """Yield each revision with its rows: (n, as_of and the columns)."""
    for content in contents:
        source = content.source
        revisions = [(source.as_of, source.revision)]
        rows = read_rows(platform, source.table, content.types, revisions)
        yield content, rows


def columns_of_training_set(catalog: Catalog, table: str) -> set[str]:
    """Return the columns of a table that a training set reads, with as_of."""
    columns = {"as_of", catalog.entity.key}
    if table == catalog.label.table:
        columns.add(catalog.label.column)
    for name, view in catalog.views.items():
        if view.table == table:
            columns.update(feature.name for feature in catalog.features_of(name))
    return columns


def _column_types(platform: Platform, source: Source, revision: Revision) -> dict[str, str]:
    """Return the type of each column that the revision was frozen with.

    The types are stored with the revision. Where they are gone, the catalog's types are used.
    """
    stored_digest = frozen.stored_digest(platform.connection, revision)
    stored = {column.name: column.type for column in stored_digest.columns}
    catalog_columns = platform.catalog.columns(source.table)
    declared = {name: column.type for name, column in catalog_columns.items()}
    types = {}
    for name in source.columns:
        column_type = stored.get(name) or declared.get(name, "")
        if column_type:
            types[name] = column_type
    return types
