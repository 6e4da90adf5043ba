"""Commands on data: simulate, migrate, ingest, rejects, snapshot, materialize, run, snapshots, forget, training-set."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import receipts
from streamflow.cli.context import (
    AsOf,
    Folder,
    JsonFlag,
    as_day,
    invocation,
    parse_instant,
    show,
    table,
)
from streamflow.cli.flow_server import flow_server

LabelLead = Annotated[
    int,
    typer.Option(
        "--label-lead",
        min=0,
        help="Take the labels of the N-th drop after --as-of instead of its own.",
    ),
]
KnownAt = Annotated[
    datetime | None,
    typer.Option(
        "--known-at",
        parser=parse_instant,
        metavar="INSTANT",
        help="Read as known at this instant (default: now).",
    ),
]

AllowSame = Annotated[
    bool,
    typer.Option("--allow-same", help="Accept a drop whose files equal those of another as_of."),
]
RejectRows = Annotated[
    bool,
    typer.Option(
        "--reject-rows",
        help="Load the good rows and keep the bad ones apart, up to max_reject_share of the keys.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for command in (
        simulate,
        migrate,
        ingest,
        rejects,
        snapshot,
        materialize,
        run,
        snapshots,
        forget,
        honesty,
    ):
        app.command(command.__name__)(command)
    app.command("training-set")(training_set)


def simulate(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="Where the drops are written, a subfolder each.", metavar="DIR")
    ],
    users: Annotated[int, typer.Option("--users", min=1, help="Users of the first drop.")] = 7043,
    months: Annotated[int, typer.Option("--months", min=1, help="How many monthly drops.")] = 2,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Equal arguments give equal bytes.")
    ] = 42,
    as_json: JsonFlag = False,
) -> None:
    """Write simulated drops with a known churn mechanism.

    Example: streamflow simulate data --users 7043 --months 3 --seed 7
    """
    from streamflow.steps.data.simulate import simulate as step

    receipt = step(folder, users=users, months=months, seed=seed, notify=invocation(context).notify)
    show(receipt, as_json=as_json, text=receipts.simulate)


def migrate(
    context: typer.Context,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done, and do nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Bring PostgreSQL, MLflow and Feast to what the code and the catalog ask for.

    Example: streamflow migrate --plan
    """
    from streamflow.steps.data import migrate as step

    with invocation(context).platform(migrated=False) as platform:
        receipt = step.plan(platform) if plan else step.migrate(platform)
    show(receipt, as_json=as_json, text=receipts.migrate)


def ingest(
    context: typer.Context,
    folder: Folder,
    as_of: AsOf,
    allow_same: AllowSame = False,
    reject_rows: RejectRows = False,
    as_json: JsonFlag = False,
) -> None:
    """Validate a drop whole, then write it whole.

    Example: streamflow ingest data/month_000 --as-of 2024-01-31
    """
    from streamflow.steps.data.ingest import ingest as step
    from streamflow.steps.data.migrate import ensure_migrated

    with invocation(context).platform(migrated=False) as platform:
        ensure_migrated(platform)
        receipt = step(
            platform,
            folder,
            as_day(as_of),
            allow_same=allow_same,
            reject_rows=reject_rows,
        )
    show(receipt, as_json=as_json, text=receipts.ingest)


def rejects(
    context: typer.Context,
    as_of: AsOf,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write them to this .csv file.", metavar="FILE")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the rows of a drop that 'ingest --reject-rows' kept apart, with line and reason.

    Example: streamflow rejects --as-of 2024-01-31 --csv rejects.csv
    """
    from streamflow.core.data.instants import instant
    from streamflow.warehouse.drops import rejected_rows

    with invocation(context).platform() as platform:
        found = rejected_rows(platform.connection, instant(as_day(as_of)))
    if csv:
        from streamflow.files.frames import write_rows

        write_rows(found, csv)
    if as_json:
        show(found, as_json=True, text=str)
        return
    rows = [(r.file, r.line, r.key, r.reason) for r in found]
    table(
        f"Rejected rows of {as_day(as_of)}: {len(found)}", ("file", "line", "key", "reason"), rows
    )


def snapshot(context: typer.Context, as_of: AsOf, as_json: JsonFlag = False) -> None:
    """Freeze a drop: a new revision of each table whose content differs from its newest.

    Example: streamflow snapshot --as-of 2024-01-31
    """
    from streamflow.steps.data.snapshot import snapshot as step

    with invocation(context).platform() as platform:
        receipt = step(platform, as_day(as_of))
    show(receipt, as_json=as_json, text=receipts.snapshot)


def materialize(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Make the newest drop the live state of the online store.

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
    """Ingest, snapshot and materialize a drop, as a Prefect flow.

    Example: streamflow run data/month_000 --as-of 2024-01-31
    """
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


def snapshots(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List every frozen revision.

    Example: streamflow snapshots --json
    """
    from streamflow.warehouse.frozen import all_revisions

    with invocation(context).platform() as platform:
        found = all_revisions(platform.connection)
    if as_json:
        show(found, as_json=True, text=str)
        return
    rows = [
        (
            f"{r.as_of:%Y-%m-%d}",
            r.table,
            r.revision,
            f"{r.rows:,}",
            f"{r.known_at:%Y-%m-%d %H:%M:%S}",
            r.digest[:16],
        )
        for r in found
    ]
    table(
        "Frozen revisions", ("as_of", "table", "revision", "rows", "known at (UTC)", "digest"), rows
    )


def forget(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The entity's key, such as 7590-VHVEG.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for the tombstone.")],
    as_json: JsonFlag = False,
) -> None:
    """Erase all values of one key, frozen ones too; this cannot be undone.

    The revisions that held it get a new digest, and a tombstone keeps the old one. Later deliveries of drops from before
    this day leave the key out.

    Example: streamflow forget 7590-VHVEG --why "request of 2024-03-02"
    """
    from streamflow.steps.data.forget import forget as step

    with invocation(context).platform() as platform:
        receipt = step(platform, key, why=why)
    show(receipt, as_json=as_json, text=receipts.forget)


def training_set(
    context: typer.Context,
    as_of: AsOf,
    label_lead: LabelLead = 0,
    known_at: KnownAt = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the rows to this .parquet or .csv file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Assemble a training set: features as of D, labels of the drop that dates them.

    Example: streamflow training-set --as-of 2024-01-31 --label-lead 1 --out set.parquet
    """
    from streamflow.files.frames import write_frame
    from streamflow.steps.training.training_set import receipt_of
    from streamflow.steps.training.training_set import training_set as step

    with invocation(context).platform() as platform:
        rows = step(platform, as_day(as_of), label_lead=label_lead, known_at=known_at)
    if out:
        write_frame(rows.frame, out)
    show(receipt_of(rows, out), as_json=as_json, text=receipts.training_set)


def honesty(
    context: typer.Context,
    as_of: AsOf,
    label_lead: LabelLead = 0,
    known_at: KnownAt = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what speaks against a training set before anything is learned from it: labels, features, panel. Nothing is written.

    Exit code 0: nothing severe. 1: a feature or the label tells what was known only after the outcome.

    Example: streamflow honesty --as-of 2024-02-29
    """
    from streamflow.steps.training.honesty import label_honesty
    from streamflow.steps.training.training_set import training_set as assemble

    with invocation(context).platform() as platform:
        report = label_honesty(
            platform, assemble(platform, as_day(as_of), label_lead=label_lead, known_at=known_at)
        )
    show(report.values if as_json else report, as_json=as_json, text=receipts.honesty)
    raise typer.Exit(1 if report.severe else 0)
