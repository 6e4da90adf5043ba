"""Commands that show what is recorded: drops, catalog, reports."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import format_time, invocation, print_table, print_text, show
from streamflow.cli.monitor import format_report
from streamflow.cli.options import MAX_NUMBER, JsonFlag, as_instant
from streamflow.cli.printable import one_line
from streamflow.core.data.counts import count_of

if TYPE_CHECKING:
    from streamflow.core.data.catalog_overview import CatalogOverview
    from streamflow.steps.data.drop_record import DropList, DropRecord
    from streamflow.steps.monitoring.stored_reports import ReportList, ReportRecord

Day = Annotated[
    datetime | None,
    typer.Argument(
        formats=["%Y-%m-%d"],
        help="The date of a drop: show this drop only, with all details.",
        show_default=False,
        metavar="DAY",
    ),
]
BelowDay = Annotated[
    datetime | None,
    typer.Option("--below", formats=["%Y-%m-%d"], help="Only drops of an earlier day."),
]
ReportNumber = Annotated[
    int | None,
    typer.Argument(
        min=1,
        max=MAX_NUMBER,
        help="The number of a report: show this report only, with all details.",
        show_default=False,
        metavar="N",
    ),
]
Below = Annotated[
    int | None,
    typer.Option("--below", min=1, max=MAX_NUMBER, help="Only reports with smaller numbers."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many to list at most.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("drops")(drops)
    app.command("catalog")(catalog)
    app.command("reports")(reports)


def drops(
    context: typer.Context,
    day: Day = None,
    below: BelowDay = None,
    limit: Limit = 24,
    as_json: JsonFlag = False,
) -> None:
    """List the drops and the folders that the inbox refused, or show one drop.

    For one drop, the command shows the delivered files, the revisions with the columns that each
    changed, and the first rows that were not loaded.

    Example: streamflow drops

    Example: streamflow drops 2024-01-31 --json
    """
    from streamflow.steps.data.drop_record import list_drops, read_drop

    with invocation(context).platform() as platform:
        if day is not None:
            record = read_drop(platform, as_instant(day))
            show(record, as_json=as_json, text=_format_drop)
            return
        below_day = None if below is None else as_instant(below)
        receipt = list_drops(platform, below_day=below_day, limit=limit)
    show(receipt, as_json=as_json, text=_format_drops)


def _format_drops(receipt: DropList) -> str:
    lines = [
        f"  {drop.as_of:%Y-%m-%d}  {count_of(drop.rows, 'row', width=9)}"
        f"  {count_of(drop.rejected, 'rejected row')}, {count_of(drop.revisions, 'revision')}"
        for drop in receipt.drops
    ]
    for folder in receipt.refused:
        first_line = folder.error.partition("\n")[0]
        lines.append(f"  refused: {one_line(folder.folder)}: {one_line(first_line)}")
    lines.append(f"[OK] {count_of(len(receipt.drops), 'drop')}")
    return "\n".join(lines)


def _format_drop(record: DropRecord) -> str:
    lines = [
        f"  file {delivery.file:24}  {count_of(delivery.rows, 'row')},"
        f" delivered {format_time(delivery.delivered_at)}"
        for delivery in record.deliveries
    ]
    for revision in record.revisions:
        changed = ", ".join(revision.changed_columns)
        lines.append(
            f"  {revision.table} revision {revision.revision}: {count_of(revision.rows, 'row')}"
            + (f"; changed: {changed}" if changed else "")
        )
    lines += [
        f"  {reject.file}:{reject.line}  {one_line(reject.reason)}" for reject in record.rejects
    ]
    lines += [f"  refused: {one_line(folder.folder)}" for folder in record.refused]
    lines.append(
        f"[OK] drop of {record.as_of:%Y-%m-%d}: {count_of(len(record.revisions), 'revision')},"
        f" {count_of(record.rejected, 'rejected row')}"
    )
    return "\n".join(lines)


def catalog(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show the catalog: each column with its readable name, type, rule for values, and uses.

    Example: streamflow catalog --json
    """
    from streamflow.core.data.catalog_overview import describe_catalog

    with invocation(context).platform() as platform:
        overview = describe_catalog(platform.catalog)
    if as_json:
        show(overview, as_json=True, text=str)
        return
    _print_catalog(overview)


def _print_catalog(overview: CatalogOverview) -> None:
    for table in overview.tables:
        rows = [
            (
                column.name,
                one_line(column.label),
                column.type,
                one_line(column.promise),
                ", ".join(column.uses),
            )
            for column in table.columns
        ]
        header = ("column", "words", "type", "every value", "used as")
        print_table(f"{table.name} ({table.file})", header, rows)
    print_text(f"[OK] {count_of(len(overview.tables), 'table')}, service {overview.service}")


def reports(
    context: typer.Context,
    number: ReportNumber = None,
    below: Below = None,
    limit: Limit = 24,
    as_json: JsonFlag = False,
) -> None:
    """List the stored reports of 'monitor' and the counts of 'skew', or show one report.

    The counts of 'skew' say how many served values differ from the frozen rows, by cause.

    Example: streamflow reports

    Example: streamflow reports 1 --json
    """
    from streamflow.steps.monitoring.stored_reports import list_reports, read_report

    with invocation(context).platform() as platform:
        if number is not None:
            record = read_report(platform, number)
            show(record, as_json=as_json, text=_format_record)
            return
        receipt = list_reports(platform, below=below, limit=limit)
    show(receipt, as_json=as_json, text=_format_reports)


def _format_record(record: ReportRecord) -> str:
    stored = record.stored
    head = f"{stored.model} version {stored.version}"
    location = f"report {stored.id}, MLflow run {stored.mlflow_run_id}"
    verdict = stored.verdict
    return format_report(record.report, head, location, verdict=verdict, fires=stored.fires)


def _format_reports(receipt: ReportList) -> str:
    lines = [
        f"  report {report.id}  {report.as_of:%Y-%m-%d}  version {report.version}  {report.verdict}"
        for report in receipt.reports
    ]
    lines += [
        f"  skew {format_time(counts.at)}: {count_of(counts.compared, 'value')}, stale"
        f" {counts.stale}, late {counts.late}, type {counts.type}, code {counts.code},"
        f" unexplained {counts.unexplained}"
        for counts in receipt.skew
    ]
    lines.append(f"[OK] {count_of(len(receipt.reports), 'report')}")
    return "\n".join(lines)
