"""The tables of the pages about drops, made from the receipts of their steps."""

from __future__ import annotations

from datetime import UTC, datetime

from streamflow.console import formats
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.console.version_tables import digest_cell
from streamflow.steps.data.drop_record import DropList, DropRecord


def day_of(instant: datetime) -> str:
    """Return the day of an instant in UTC, as addresses have it."""
    return f"{instant.astimezone(UTC):%Y-%m-%d}"


def instant_cell(instant: datetime | None) -> Cell:
    """Make the cell of an instant in UTC."""
    utc = None if instant is None else instant.astimezone(UTC)
    return Cell(utc, formats.format_instant(utc))


def number_cell(count: int | None) -> Cell:
    """Make the cell of a whole number."""
    return Cell(count, formats.format_number(count))


def drops_table(texts: Texts, receipt: DropList) -> PageTable:
    """Make the table of drops, the newest first."""
    columns = (
        PageColumn(name="as_of", title=texts.get("drops.as_of")),
        PageColumn(name="tables", title=texts.get("drops.tables"), kind="number"),
        PageColumn(name="rows", title=texts.get("drops.rows"), kind="number"),
        PageColumn(name="rejected", title=texts.get("drops.rejected"), kind="number"),
        PageColumn(name="deliveries", title=texts.get("drops.deliveries"), kind="number"),
        PageColumn(name="revisions", title=texts.get("drops.revisions"), kind="number"),
        PageColumn(name="delivered_at", title=texts.get("drops.delivered_at")),
        PageColumn(name="known_at", title=texts.get("drops.known_at")),
    )
    rows = []
    for drop in receipt.drops:
        day = day_of(drop.as_of)
        cells = (
            Cell(day, link=f"/drops/{day}", moment=drop.as_of),
            number_cell(drop.tables),
            number_cell(drop.rows),
            number_cell(drop.rejected),
            number_cell(drop.deliveries),
            number_cell(drop.revisions),
            instant_cell(drop.delivered_at),
            instant_cell(drop.known_at),
        )
        rows.append(cells)
    caption = texts.get("drops.title")
    return PageTable(name="drops", caption=caption, columns=columns, rows=tuple(rows))


def deliveries_table(texts: Texts, record: DropRecord) -> PageTable:
    """Make the table of the delivered files, the newest first."""
    columns = (
        PageColumn(name="file", title=texts.get("drop.file")),
        PageColumn(name="table", title=texts.get("drop.table")),
        PageColumn(name="rows", title=texts.get("drops.rows"), kind="number"),
        PageColumn(name="delivered_at", title=texts.get("drops.delivered_at")),
        PageColumn(name="sha256", title=texts.get("drop.file_digest")),
    )
    rows = [
        (
            Cell(delivery.file),
            Cell(delivery.table),
            number_cell(delivery.rows),
            instant_cell(delivery.delivered_at),
            digest_cell(delivery.sha256),
        )
        for delivery in record.deliveries
    ]
    caption = texts.get("drop.deliveries")
    return PageTable(name="files", caption=caption, columns=columns, rows=tuple(rows))


def revisions_table(texts: Texts, record: DropRecord) -> PageTable:
    """Make the table of the revisions, with what each changed."""
    columns = (
        PageColumn(name="table", title=texts.get("drop.table")),
        PageColumn(name="revision", title=texts.get("drop.revision"), kind="number"),
        PageColumn(name="rows", title=texts.get("drops.rows"), kind="number"),
        PageColumn(name="more_rows", title=texts.get("drop.more_rows"), kind="number"),
        PageColumn(name="changed_columns", title=texts.get("drop.changed_columns")),
        PageColumn(name="known_at", title=texts.get("drops.known_at")),
        PageColumn(name="digest", title=texts.get("drop.digest")),
    )
    rows = []
    for revision in record.revisions:
        former_rows = revision.former_rows
        more_rows = None if former_rows is None else revision.rows - former_rows
        cells = (
            Cell(revision.table),
            Cell(revision.revision),
            number_cell(revision.rows),
            number_cell(more_rows),
            Cell(", ".join(revision.changed_columns)),
            instant_cell(revision.known_at),
            digest_cell(revision.digest),
        )
        rows.append(cells)
    caption = texts.get("drop.revisions")
    return PageTable(name="revisions", caption=caption, columns=columns, rows=tuple(rows))


def rejects_table(texts: Texts, record: DropRecord) -> PageTable:
    """Make the table of the rows that were not loaded."""
    columns = (
        PageColumn(name="file", title=texts.get("drop.file")),
        PageColumn(name="line", title=texts.get("drop.line"), kind="number"),
        PageColumn(name="key", title=texts.get("drop.key")),
        PageColumn(name="reason", title=texts.get("drop.reason")),
    )
    rows = [
        (Cell(reject.file), Cell(reject.line), Cell(reject.key), Cell(reject.reason))
        for reject in record.rejects
    ]
    caption = texts.get("drop.rejects")
    return PageTable(name="rejects", caption=caption, columns=columns, rows=tuple(rows))
