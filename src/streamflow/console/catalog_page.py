"""The page of the catalog: every column with its type, promise, words and uses."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request, Response

from streamflow.console import formats
from streamflow.console.pages import Page, respond
from streamflow.console.state import ConsoleState
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.core.data.catalog_overview import (
    CatalogOverview,
    ColumnOverview,
    TableOverview,
    describe_catalog,
)

# A wider table is shown in several pages.
COLUMNS_SHOWN = 100
MAX_START = 1_000_000

ShownTable = Annotated[str, Query(alias="of", max_length=100)]
Start = Annotated[int, Query(alias="from", ge=0, le=MAX_START)]


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the page to the application."""

    @app.get("/data")
    def data(request: Request, shown_table: ShownTable = "", start: Start = 0) -> Response:
        """Show the catalog, one table at a time."""
        visitor = state.require(request)
        return respond(request, state, visitor, _catalog_page(state, shown_table, start))


def _catalog_page(state: ConsoleState, shown_table: str, start: int) -> Page:
    texts = state.texts
    overview = describe_catalog(state.platform.catalog)
    tables = {table.name: table for table in overview.tables}
    table = tables.get(shown_table or overview.tables[0].name)
    if table is None:
        raise HTTPException(status_code=404)
    shown_columns = table.columns[start : start + COLUMNS_SHOWN]
    next_start = start + COLUMNS_SHOWN
    return Page(
        template="data",
        title=texts.get("data.title"),
        path="/data",
        tables=(
            _columns_table(texts, table, shown_columns),
            _tables_table(texts, overview),
            _views_table(texts, overview),
        ),
        receipt=overview,
        values={
            "overview": overview,
            "shown": table,
            "next_start": str(next_start) if next_start < len(table.columns) else None,
            "start": start,
        },
    )


def _tables_table(texts: Texts, overview: CatalogOverview) -> PageTable:
    columns = (
        PageColumn(name="table", title=texts.get("data.table")),
        PageColumn(name="file", title=texts.get("data.file")),
        PageColumn(name="columns", title=texts.get("data.columns"), kind="number"),
    )
    rows = [
        (
            Cell(table.name, link=f"/data?of={table.name}"),
            Cell(table.file),
            Cell(len(table.columns)),
        )
        for table in overview.tables
    ]
    caption = texts.get("data.tables")
    return PageTable(name="tables", caption=caption, columns=columns, rows=tuple(rows))


def _columns_table(
    texts: Texts,
    table: TableOverview,
    shown_columns: tuple[ColumnOverview, ...],
) -> PageTable:
    names = ("name", "label", "type", "promise", "header", "computation", "default", "uses")
    columns = tuple(PageColumn(name=name, title=texts.get(f"data.{name}")) for name in names)
    rows = [
        (
            Cell(column.name),
            Cell(column.label),
            Cell(column.type),
            Cell(column.promise),
            Cell(column.header),
            Cell(column.computation),
            Cell(column.default),
            Cell(", ".join(column.uses)),
        )
        for column in shown_columns
    ]
    caption = texts.get("data.columns_of", table=table.name)
    return PageTable(name="columns", caption=caption, columns=columns, rows=tuple(rows))


def _views_table(texts: Texts, overview: CatalogOverview) -> PageTable:
    columns = (
        PageColumn(name="view", title=texts.get("data.view")),
        PageColumn(name="table", title=texts.get("data.table")),
        PageColumn(name="ttl_days", title=texts.get("data.ttl_days"), kind="number"),
        PageColumn(name="max_age_days", title=texts.get("data.max_age_days"), kind="number"),
        PageColumn(name="features", title=texts.get("data.features"), kind="number"),
    )
    rows = [
        (
            Cell(view.name),
            Cell(view.table, link=f"/data?of={view.table}"),
            Cell(view.ttl_days),
            Cell(view.max_age_days, formats.format_number(view.max_age_days)),
            Cell(len(view.features)),
        )
        for view in overview.views
    ]
    caption = texts.get("data.views")
    return PageTable(name="views", caption=caption, columns=columns, rows=tuple(rows))
