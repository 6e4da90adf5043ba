"""The rules by which the parts of a catalog must fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from streamflow.catalog.declarations import RESERVED, Entity, Events, Label, Table, View
from streamflow.catalog.file_format import STRICT_CSV, FileFormat
from streamflow.catalog.file_kinds import default_file, kind_of
from streamflow.catalog.sections import column_path, section_of
from streamflow.column import Column


def find_contradictions(
    entity: Entity,
    label: Label,
    views: Mapping[str, View],
    tables: Mapping[str, Table],
    events: Mapping[str, Events],
) -> list[str]:
    """List everything in which the parts of a catalog do not fit each other.

    Args:
        tables: all frozen tables, also those that are made of events.
    """
    problems = [
        f"views.{name}: no table '{view.table}'"
        for name, view in views.items()
        if view.table not in tables
    ]
    if entity.table not in tables:
        problems.append(f"entity: no table '{entity.table}'")
    problems += _check_label(label, tables)
    problems += _check_columns(entity, label, views, tables, events)
    problems += _check_tenure(entity, label, tables, events)
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


def _check_columns(
    entity: Entity,
    label: Label,
    views: Mapping[str, View],
    tables: Mapping[str, Table],
    events: Mapping[str, Events],
) -> list[str]:
    """Report names that are taken, and features that do not fit their view.

    Args:
        entity: the entity of the catalog.
        label: the label of the catalog.
        views: the feature views.
        tables: all frozen tables, also those that are made of events.
        events: the tables of events.
    """
    problems = []
    feature_tables: dict[str, str] = {}
    for table_name, table in tables.items():
        for name, column in table.columns.items():
            path = column_path(table_name, name, events)
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


def _check_tenure(
    entity: Entity,
    label: Label,
    tables: Mapping[str, Table],
    events: Mapping[str, Events],
) -> Iterator[str]:
    """Report a tenure that is declared twice, or where it is not known of each scored user."""
    first_path = ""
    for table_name, table in tables.items():
        for name, column in table.columns.items():
            if column.tenure is None:
                continue
            path = column_path(table_name, name, events)
            if first_path:
                yield f"{path}: {first_path} says the tenure already"
            elif table_name == label.table and table_name != entity.table:
                yield f"{path}: the table of the label cannot say the tenure"
            first_path = first_path or path
    for table_name, declared in events.items():
        for name, column in declared.columns.items():
            if column.tenure is not None:
                path = f"{section_of(table_name, events)}.columns.{name}"
                yield f"{path}: an event cannot say the tenure; an aggregate can"


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


def find_file_contradictions(
    entity: Entity,
    tables: Mapping[str, Table],
    events: Mapping[str, Events],
    files: Mapping[str, FileFormat],
) -> list[str]:
    """List everything in which the declared formats do not fit the tables and their files."""
    problems = []
    declared_tables: dict[str, Table | Events] = {**tables, **events}
    for name, file_format in files.items():
        if name not in declared_tables:
            problems.append(f"files.{name}: no table '{name}'")
            continue
        kind = kind_of(declared_tables[name].file or default_file(name))
        problems += [
            f"files.{name}.{option}: it has no meaning for a file of {kind.noun}"
            for option in kind.meaningless
            if getattr(file_format, option) != getattr(STRICT_CSV, option)
        ]
    for name, table in declared_tables.items():
        file_format = files.get(name, STRICT_CSV)
        headers = [file_format.key_header or entity.key]
        for column_name, column in table.columns.items():
            if column.expr is None:
                headers.append(column.header or column_name)
        problems += [
            f"{section_of(name, events)}: two columns have the header '{header}'"
            for header in dict.fromkeys(headers)
            if headers.count(header) > 1
        ]
        problems += [
            f"files.{name}.ignore: a column of the table has the header '{header}'"
            for header in file_format.ignore
            if header in headers
        ]
    return problems
