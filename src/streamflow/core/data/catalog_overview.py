"""The catalog as a person reads it: every column with its promise, its words and its uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streamflow.catalog import Catalog, Column

TEXT_CONSTANT = re.compile(r"'[^']*'")
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class ColumnOverview:
    """One column of a table.

    promise      what every value keeps, in words
    label        what people call the column; empty: the catalog has no words for it
    header       its name in the file; empty: no file holds it
    computation  how it is computed when a snapshot freezes; empty: it is in the file
    default      what is served where a value is missing; empty: nothing is
    uses         where it is used: as key, as label, in a view, in a different column
    """

    name: str
    type: str
    nullable: bool
    promise: str
    label: str
    header: str
    computation: str
    default: str
    uses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TableOverview:
    """One frozen table, or the rows of a file of events."""

    name: str
    file: str
    is_events: bool
    columns: tuple[ColumnOverview, ...]


@dataclass(frozen=True, kw_only=True)
class ViewOverview:
    """One feature view.

    ttl_days      how old a row may be in a point-in-time join
    max_age_days  how old a live row may be when it is served; None: any age
    """

    name: str
    table: str
    ttl_days: int
    max_age_days: int | None
    features: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CatalogOverview:
    """The catalog of an installation."""

    model: str
    service: str
    entity: str
    key: str
    label: str
    tables: tuple[TableOverview, ...]
    views: tuple[ViewOverview, ...]


def describe_catalog(catalog: Catalog) -> CatalogOverview:
    """Describe every table, column and view of a catalog."""
    return CatalogOverview(
        model=catalog.model,
        service=catalog.service,
        entity=catalog.entity.name,
        key=catalog.entity.key,
        label=f"{catalog.label.table}.{catalog.label.column}",
        tables=tuple(_list_tables(catalog)),
        views=tuple(_list_views(catalog)),
    )


def _list_views(catalog: Catalog) -> Iterator[ViewOverview]:
    for name, view in catalog.views.items():
        yield ViewOverview(
            name=name,
            table=view.table,
            ttl_days=catalog.ttl(name).days,
            max_age_days=view.max_age_days,
            features=tuple(feature.name for feature in catalog.features_of(name)),
        )


def _list_tables(catalog: Catalog) -> Iterator[TableOverview]:
    """List each frozen table, with the columns of its file where that has rows of events."""
    for table in catalog.frozen_tables:
        columns = catalog.columns(table)
        file_columns = catalog.file_columns(table)
        readers = _find_readers(catalog, table)
        all_columns = {**file_columns, **columns}
        yield TableOverview(
            name=table,
            file=catalog.file(table),
            is_events=table in catalog.events,
            columns=tuple(
                _describe_column(catalog, table, name, column, readers)
                for name, column in all_columns.items()
            ),
        )


def _find_readers(catalog: Catalog, table: str) -> dict[str, list[str]]:
    """Return column -> the computed columns of the same table that read it."""
    readers: dict[str, list[str]] = {}
    for name in catalog.columns(table):
        computation = catalog.computation(table, name)
        if computation is None:
            continue
        for read_name in set(NAME.findall(TEXT_CONSTANT.sub("", computation))):
            readers.setdefault(read_name, []).append(name)
    return readers


def _describe_column(
    catalog: Catalog,
    table: str,
    name: str,
    column: Column,
    readers: Mapping[str, list[str]],
) -> ColumnOverview:
    is_frozen = name in catalog.columns(table)
    is_in_file = name in catalog.file_columns(table)
    return ColumnOverview(
        name=name,
        type=column.type,
        nullable=column.nullable,
        promise=describe_promise(column),
        label=column.words or "",
        header=catalog.headers(table)[name] if is_in_file else "",
        computation=(catalog.computation(table, name) or "") if is_frozen else "",
        default="" if column.default is None else str(column.default),
        uses=tuple(_list_uses(catalog, table, name, column, readers)),
    )


def _list_uses(
    catalog: Catalog,
    table: str,
    name: str,
    column: Column,
    readers: Mapping[str, list[str]],
) -> Iterator[str]:
    if name == catalog.entity.key:
        yield "key"
    if (table, name) == (catalog.label.table, catalog.label.column):
        yield "label"
    if table in catalog.events and name == catalog.events[table].time:
        yield "time of the event"
    if column.view:
        yield f"feature {column.view}:{name}"
    if column.counter:
        yield "counter for 'honesty'"
    if column.tenure:
        yield "tenure of a user"
    yield from (f"column {reader}" for reader in readers.get(name, ()) if reader != name)


def describe_promise(column: Column) -> str:
    """Describe what the catalog promises of every value of a column.

    >>> describe_promise(Column(type="int", min=0, max=120))
    'at least 0, at most 120'
    >>> describe_promise(Column(type="string", categories=("a", "b"), nullable=True))
    'one of a, b; may be missing'
    """
    promises = []
    if column.categories is not None:
        promises.append(f"one of {', '.join(column.categories)}")
    limits = []
    if column.min is not None:
        limits.append(f"at least {column.min:.15g}")
    if column.max is not None:
        limits.append(f"at most {column.max:.15g}")
    if column.max_length is not None and column.categories is None:
        limits.append(f"at most {column.max_length} characters")
    if limits:
        promises.append(", ".join(limits))
    if column.nullable:
        promises.append("may be missing")
    return "; ".join(promises)
