"""Commands on training: training-set, honesty, train, retrain."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli import lifecycle_receipts, receipts
from streamflow.cli.context import invocation, show
from streamflow.cli.flow_server import flow_server
from streamflow.cli.options import (
    AsOf,
    Engine,
    FullCheck,
    JsonFlag,
    KnownAt,
    LabelLead,
    Months,
    Why,
    as_day,
    as_instant,
)
from streamflow.model_names import ModelName

RetrainAsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        help="The drop to train on (default: the newest drop with labels).",
    ),
]
IgnoreCoolDown = Annotated[
    bool, typer.Option("--force", help="Train even if the cool-down time is not over.")
]
OnVerdict = Annotated[
    bool,
    typer.Option("--on-verdict", help="Train only if 'monitor' finds drift in that drop."),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("training-set")(training_set)
    app.command("honesty")(honesty)
    app.command("train")(train)
    app.command("retrain")(retrain)


def training_set(
    context: typer.Context,
    as_of: AsOf,
    label_lead: LabelLead = 0,
    known_at: KnownAt = None,
    months: Months = 1,
    engine: Engine = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the rows to this .parquet or .csv file."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Build a training set: features and labels of one drop, or of the last ones.

    The features are those of --as-of. The labels come from the same drop; with --label-lead from a
    later one. With --months the file begins with two more columns: the as_of of the month, and the
    instant until which its data were known (known_at).

    Example: streamflow training-set --as-of 2024-01-31 --label-lead 1 --out set.parquet
    """
    from streamflow.files.frames import write_chunks
    from streamflow.steps.training.training_set import training_set as step
    from streamflow.steps.training.training_set_receipt import describe_training_set

    with invocation(context).with_flags(engine=engine).platform() as platform:
        rows = step(
            platform,
            as_instant(as_of),
            label_lead=label_lead,
            known_at=known_at,
            months=months,
        )
    if out:
        write_chunks(rows.read_dated_months(), out, facts={})
    show(describe_training_set(rows, out), as_json=as_json, text=receipts.training_set)


def honesty(
    context: typer.Context,
    as_of: AsOf,
    label_lead: LabelLead = 0,
    known_at: KnownAt = None,
    months: Months = 1,
    as_json: JsonFlag = False,
) -> None:
    """Check a training set for leaks before a model learns it.

    The command checks the labels, the features, and which users are in the set. It writes nothing.

    Exit code 0: nothing severe. 1: a feature or the label contains what was known only after the
    outcome.

    Example: streamflow honesty --as-of 2024-02-29
    """
    from streamflow.steps.training.honesty import check_label_honesty
    from streamflow.steps.training.training_set import training_set as build_training_set

    with invocation(context).platform() as platform:
        rows = build_training_set(
            platform,
            as_instant(as_of),
            label_lead=label_lead,
            known_at=known_at,
            months=months,
        )
        report = check_label_honesty(platform, rows)
    show(report.values if as_json else report, as_json=as_json, text=receipts.honesty)
    raise typer.Exit(1 if report.severe else 0)


def train(
    context: typer.Context,
    as_of: AsOf,
    label_lead: LabelLead = 0,
    known_at: KnownAt = None,
    months: Months = 1,
    full: FullCheck = False,
    model: Annotated[
        ModelName | None,
        typer.Option(
            "--model",
            help="The kind of model (STREAMFLOW_MODEL). auto takes the best by cross-validation.",
        ),
    ] = None,
    engine: Engine = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model and register it as a new version.

    The command also proves from which frozen row each cell of the training set comes.

    Example: streamflow train --as-of 2024-01-31

    Example: streamflow train --as-of 2024-01-31 --model auto

    Example: streamflow train --as-of 2024-06-30 --months 6
    """
    from streamflow.steps.training.train import train as step

    call = invocation(context).with_flags(model=model, engine=engine)
    with call.platform() as platform:
        receipt = step(
            platform,
            as_instant(as_of),
            label_lead=label_lead,
            known_at=known_at,
            full=full,
            months=months,
        )
    show(receipt, as_json=as_json, text=receipts.train)


def retrain(
    context: typer.Context,
    as_of: RetrainAsOf = None,
    label_lead: LabelLead = 0,
    months: Months = 1,
    why: Why = "asked for",
    force: IgnoreCoolDown = False,
    on_verdict: OnVerdict = False,
    as_json: JsonFlag = False,
) -> None:
    """Train on the newest labels, and promote if it is better.

    The gate decides whether the new version is better. All of it runs as the Prefect flow
    train_and_compare. If the same data, features and configuration were decided before, the
    command does nothing. A run that was interrupted is continued.

    Example: streamflow retrain --why "March has arrived"
    """
    call = invocation(context)
    day = as_day(as_of) if as_of else None
    with call.platform() as platform, flow_server(call, platform):
        from streamflow import flows

        receipt = flows.train_and_compare(
            day,
            label_lead,
            months=months,
            why=why,
            force=force,
            on_verdict=on_verdict,
            flags=call.flags,
        )
    show(receipt, as_json=as_json, text=lifecycle_receipts.retrain)
