"""The rules by which the events of a catalog must fit themselves and the other parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from streamflow.catalog.declarations import RESERVED, ROW_NUMBER, Entity, Events, Label, Table

TIME_TYPES = ("timestamp", "date")


def find_event_contradictions(
    entity: Entity,
    label: Label,
    tables: Mapping[str, Table],
    events: Mapping[str, Events],
) -> list[str]:
    """List everything in which the events of a catalog do not fit."""
    problems = []
    for name, declared in events.items():
        path = f"events.{name}"
        if name in tables:
            problems.append(f"{path}: there is a table '{name}' too")
        if name == entity.table:
            problems.append(f"entity: the table '{name}' has several rows per key")
        if name == label.table:
            problems.append(f"label: the table '{name}' has several rows per key")
        problems += _check_time(path, declared)
        problems += _check_columns(path, declared, entity)
    return problems


def _check_time(path: str, events: Events) -> Iterator[str]:
    """Report the first rule that the time of the events breaks."""
    column = events.columns.get(events.time)
    if column is None:
        yield f"{path}.time: the events have no column '{events.time}'"
    elif column.type not in TIME_TYPES:
        yield f"{path}.time: the type of '{events.time}' must be {' or '.join(TIME_TYPES)}"
    elif column.nullable:
        yield f"{path}.time: column '{events.time}' must not be nullable"


def _check_columns(path: str, events: Events, entity: Entity) -> Iterator[str]:
    """Report columns of the file that cannot be columns of events."""
    for name, column in events.columns.items():
        column_path = f"{path}.columns.{name}"
        if name in RESERVED or name in (entity.key, ROW_NUMBER):
            yield f"{column_path}: streamflow itself uses this name"
        if column.view is not None:
            yield f"{column_path}: an event is not a feature; an aggregate can have a view"
        if column.expr is not None:
            yield f"{column_path}: only a column of a table can have expr; aggregates compute"
