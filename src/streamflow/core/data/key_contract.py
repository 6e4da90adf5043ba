"""The contract of a drop's keys: no key occurs twice in a file, and the keys of all files fit."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.contract import DropViolation, quote_cell


def find_repeated_keys(keys: pl.DataFrame, *, key: str, table: str) -> list[DropViolation]:
    """Report every row of a key that occurs more than once in its file.

    `keys` holds the columns `key` and `row`.
    """
    present_keys = keys.drop_nulls(key)
    repeated = present_keys.filter(present_keys[key].is_duplicated())
    return [
        DropViolation(
            table=table,
            column=key,
            row=row,
            expected=f"a key that occurs once in {table}",
            got=quote_cell(str(value)),
            key=value,
        )
        for value, row in repeated.select(key, "row").iter_rows()
    ]


def check_keys_across_files(
    keys: Mapping[str, pl.DataFrame],
    catalog: Catalog,
) -> list[DropViolation]:
    """Check the keys of each file against the file of the entity.

    Every key must be in the table of the entity. A file with a feature that is never null must
    hold every key of this table, unless it is a file of events.

    Args:
        keys: table -> frame with the entity's key and `row`.
        catalog: the catalog of the drop.
    """
    population = keys.get(catalog.entity.table)
    if population is None:
        return []
    tables_without_nulls = {
        feature.table for feature in catalog.features if not feature.column.nullable
    }
    violations = []
    for table, frame in keys.items():
        if table == catalog.entity.table:
            continue
        violations += _find_unknown_keys(table, frame, population, catalog)
        if table in tables_without_nulls and table not in catalog.events:
            violations += _find_absent_keys(table, frame, population, catalog)
    return violations


def _find_unknown_keys(
    table: str,
    frame: pl.DataFrame,
    population: pl.DataFrame,
    catalog: Catalog,
) -> list[DropViolation]:
    """Report the keys of a file that the file of the entity does not hold."""
    key = catalog.entity.key
    expected = f"a key that {catalog.file(catalog.entity.table)} holds"
    unknown = frame.drop_nulls(key).join(population, on=key, how="anti").sort("row")
    return [
        DropViolation(
            table=table,
            column=key,
            row=row,
            expected=expected,
            got=quote_cell(str(value)),
            key=value,
        )
        for value, row in unknown.select(key, "row").iter_rows()
    ]


def _find_absent_keys(
    table: str,
    frame: pl.DataFrame,
    population: pl.DataFrame,
    catalog: Catalog,
) -> list[DropViolation]:
    """Report the keys of the entity that a file does not hold."""
    key = catalog.entity.key
    file = catalog.file(catalog.entity.table)
    expected = f"a row for each key of {file}, because the features here are not nullable"
    absent = population.drop_nulls(key).join(frame, on=key, how="anti")
    absent_keys = absent.unique(key).sort(key)[key]
    return [
        DropViolation(
            table=table,
            column=key,
            row=None,
            expected=expected,
            got=f"none for {quote_cell(str(value))}",
            key=value,
        )
        for value in absent_keys
    ]
