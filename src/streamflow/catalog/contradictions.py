"""The rules by which the parts of a catalog must fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from streamflow.catalog.declarations import RESERVED, Entity, Label, Table, View
from streamflow.column import Column


def find_contradictions(
    entity: Entity,
    label: Label,
    views: Mapping[str, View],
    tables: Mapping[str, Table],
) -> list[str]:
    """List everything in which the parts of a catalog do not fit each other."""
    problems = [
        f"views.{name}: no table '{view.table}'"
        for name, view in views.items()
        if view.table not in tables
    ]
    if entity.table not in tables:
        problems.append(f"entity: no table '{entity.table}'")
    problems += _check_label(label, tables)
    problems += _check_columns(entity, label, views, tables)
    views_with_columns = set()
    for table in tables.values():
        for column in table.columns.values():
            views_with_columns.add(column.view)
    for name in views:
        if name not in views_with_columns:
            problems.append(f"views.{name}: no column names this view")
    return problems


def _check_label(label: Label, tables: Mapping[str, Table]) -> Iterator[str]:
    """Report the first rule that the label breaks."""
    table = tables.get(label.table)
    if table is None:
        yield f"label: no table '{label.table}'"
        return
    column = table.columns.get(label.column)
    if column is None:
        yield f"label: table '{label.table}' has no column '{label.column}'"
    elif column.type != "bool" or column.nullable:
        yield f"label: column '{label.column}' must be of type 'bool' and not nullable"
    elif column.expr is not None:
        yield f"label: column '{label.column}' must be in the file; it cannot be derived"


def _check_columns(
    entity: Entity,
    label: Label,
    views: Mapping[str, View],
    tables: Mapping[str, Table],
) -> list[str]:
    problems = []
    feature_tables: dict[str, str] = {}
    for table_name, table in tables.items():
        for name, column in table.columns.items():
            path = f"tables.{table_name}.columns.{name}"
            if name in RESERVED or name == entity.key:
                problems.append(f"{path}: streamflow itself uses this name")
            if column.view is None:
                continue
            problems += _check_feature(path, column, table_name, views)
            if table_name == label.table:
                problems.append(f"{path}: a label cannot be a feature")
            elif name == label.column:
                problems.append(f"{path}: a feature cannot have the name of the label")
            if name in feature_tables:
                first_table = feature_tables[name]
                problems.append(f"{path}: table '{first_table}' has a feature '{name}' too")
            feature_tables.setdefault(name, table_name)
    return problems


def _check_feature(
    path: str,
    column: Column,
    table_name: str,
    views: Mapping[str, View],
) -> Iterator[str]:
    """Report a feature whose view does not exist or reads a different table."""
    assert column.view is not None
    view = views.get(column.view)
    if view is None:
        yield f"{path}: no view '{column.view}'"
    elif view.table != table_name:
        yield f"{path}: view '{column.view}' reads table '{view.table}'"
