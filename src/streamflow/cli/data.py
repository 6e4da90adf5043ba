"""Commands on data: simulate, ingest, rejects, snapshot, snapshots, materialize, run, forget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import receipts
from streamflow.cli.context import format_time, invocation, print_table, show
from streamflow.cli.flow_server import flow_server
from streamflow.cli.options import (
    AsOf,
    EntityKey,
    Folder,
    JsonFlag,
    LocalEngine,
    as_day,
    as_instant,
)

AllowSame = Annotated[
    bool,
    typer.Option(
        "--allow-same",
        help="Accept a drop whose files are equal to those of a different date.",
    ),
]
RejectRows = Annotated[
    bool,
    typer.Option(
        "--reject-rows",
        help="Load the good rows and store the bad rows separately. At most the share"
        " max_reject_share of the keys may have bad rows.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("simulate")(simulate)
    app.command("ingest")(ingest)
    app.command("rejects")(rejects)
    app.command("snapshot")(snapshot)
    app.command("snapshots")(snapshots)
    app.command("materialize")(materialize)
    app.command("run")(run)
    app.command("forget")(forget)


def simulate(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(help="The folder to write to; each drop gets a subfolder.", metavar="DIR"),
    ],
    users: Annotated[
        int, typer.Option("--users", min=1, help="How many users the first drop has.")
    ] = 7043,
    months: Annotated[
        int, typer.Option("--months", min=1, help="How many monthly drops to write.")
    ] = 2,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, help="Equal options and seeds give equal files."),
    ] = 42,
    as_json: JsonFlag = False,
) -> None:
    """Write simulated drops with a known churn mechanism.

    Example: streamflow simulate data --users 7043 --months 3 --seed 7
    """
    from streamflow.steps.data.simulate import simulate as step

    receipt = step(folder, users=users, months=months, seed=seed, notify=invocation(context).notify)
    show(receipt, as_json=as_json, text=receipts.simulate)


def ingest(
    context: typer.Context,
    folder: Folder,
    as_of: AsOf,
    allow_same: AllowSame = False,
    reject_rows: RejectRows = False,
    _engine: LocalEngine = None,
    as_json: JsonFlag = False,
) -> None:
    """Check a drop and load it into the database.

    The whole drop is checked first, and then written in one transaction.

    Example: streamflow ingest data/month_000 --as-of 2024-01-31
    """
    from streamflow.steps.data.drop_files import require_folder
    from streamflow.steps.data.ingest import ingest as step
    from streamflow.steps.data.migrate import ensure_migrated

    require_folder(folder)
    with invocation(context).platform(migrated=False) as platform:
        ensure_migrated(platform)
        receipt = step(
            platform,
            folder,
            as_instant(as_of),
            allow_same=allow_same,
            reject_rows=reject_rows,
        )
    show(receipt, as_json=as_json, text=receipts.ingest)


def rejects(
    context: typer.Context,
    as_of: AsOf,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Also write the rows to this .csv file.", metavar="FILE"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the bad rows that 'ingest --reject-rows' left out.

    Each row is listed with its line in the file and the reason.

    Example: streamflow rejects --as-of 2024-01-31 --csv rejects.csv
    """
    from streamflow.warehouse.drops import RejectedRow, rejected_rows

    with invocation(context).platform() as platform:
        rejected = rejected_rows(platform.connection, as_instant(as_of))
    if csv:
        from streamflow.files.frames import write_rows

        write_rows(rejected, RejectedRow, csv)
    if as_json:
        show(rejected, as_json=True, text=str)
        return
    rows = [(row.file, row.line, row.key, row.reason) for row in rejected]
    title = f"Rejected rows of {as_of:%Y-%m-%d}: {len(rejected)}"
    print_table(title, ("file", "line", "key", "reason"), rows)


def snapshot(
    context: typer.Context,
    as_of: AsOf,
    _engine: LocalEngine = None,
    as_json: JsonFlag = False,
) -> None:
    """Freeze a drop: store a revision of each changed table.

    A table whose content equals its newest revision gets no new one.

    Example: streamflow snapshot --as-of 2024-01-31
    """
    from streamflow.steps.data.snapshot import snapshot as step

    with invocation(context).platform() as platform:
        receipt = step(platform, as_instant(as_of))
    show(receipt, as_json=as_json, text=receipts.snapshot)


def snapshots(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List all frozen revisions of the tables.

    Example: streamflow snapshots --json
    """
    from streamflow.warehouse.frozen import all_revisions

    with invocation(context).platform() as platform:
        revisions = all_revisions(platform.connection)
    if as_json:
        show(revisions, as_json=True, text=str)
        return
    rows = [
        (
            f"{revision.as_of:%Y-%m-%d}",
            revision.table,
            revision.revision,
            f"{revision.rows:,}",
            format_time(revision.known_at),
            revision.digest[:16],
        )
        for revision in revisions
    ]
    header = ("as_of", "table", "revision", "rows", "known at (UTC)", "digest")
    print_table("Frozen revisions", header, rows)


def materialize(
    context: typer.Context,
    _engine: LocalEngine = None,
    as_json: JsonFlag = False,
) -> None:
    """Copy the newest frozen features into the online store, which the API reads.

    Predictions are made from the values in the online store.

    Example: streamflow materialize
    """
    from streamflow.steps.data.materialize import materialize as step

    with invocation(context).platform() as platform:
        receipt = step(platform)
    show(receipt, as_json=as_json, text=receipts.materialize)


def run(
    context: typer.Context,
    folder: Folder,
    as_of: AsOf,
    allow_same: AllowSame = False,
    reject_rows: RejectRows = False,
    as_json: JsonFlag = False,
) -> None:
    """Load one drop: ingest, snapshot and materialize.

    The three steps run as a Prefect flow.

    Example: streamflow run data/month_000 --as-of 2024-01-31
    """
    from streamflow.steps.data.drop_files import require_folder

    require_folder(folder)
    call = invocation(context)
    with call.platform(migrated=False) as platform, flow_server(call, platform):
        from streamflow import flows

        receipt = flows.monthly(
            str(folder),
            as_day(as_of),
            allow_same=allow_same,
            reject_rows=reject_rows,
            flags=call.flags,
        )
    show(receipt, as_json=as_json, text=receipts.monthly)


def forget(
    context: typer.Context,
    key: EntityKey,
    why: Annotated[str, typer.Option("--why", help="The reason, which the tombstone stores.")],
    as_json: JsonFlag = False,
) -> None:
    """Erase all values of one key; this cannot be undone.

    Frozen values are erased too. The revisions that contained the key get a new digest, and a
    tombstone stores the old one. If a drop from before this day is delivered later, the key is
    left out.

    Example: streamflow forget 7590-VHVEG --why "request of 2024-03-02"
    """
    from streamflow.steps.data.forget import forget as step

    with invocation(context).platform() as platform:
        receipt = step(platform, key, why=why)
    show(receipt, as_json=as_json, text=receipts.forget)
