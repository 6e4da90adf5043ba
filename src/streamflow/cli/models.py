"""Commands on models: train, models, promote, retrain, predict, serve."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from streamflow.cli import lifecycle_receipts, receipts
from streamflow.cli.context import AsOf, JsonFlag, as_day, invocation, show, table
from streamflow.cli.data import KnownAt, LabelLead
from streamflow.cli.reproduce import Full


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for command in (train, models, promote, retrain, predict, serve):
        app.command(command.__name__)(command)


def train(
    context: typer.Context,
    as_of: AsOf,
    label_lead: LabelLead = 0,
    known_at: KnownAt = None,
    full: Full = False,
    model: Annotated[
        Literal["baseline", "logistic", "boosting", "auto"] | None,
        typer.Option(
            "--model",
            help="The kind of model (STREAMFLOW_MODEL); auto takes the best by cross-validation.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model on one training set, prove where each cell comes from, and register a model version.

    Example: streamflow train --as-of 2024-01-31

    Example: streamflow train --as-of 2024-01-31 --model auto
    """
    from dataclasses import replace

    from streamflow.steps.training.train import train as step

    call = invocation(context)
    with replace(call, flags={**call.flags, "model": model}).platform() as platform:
        receipt = step(
            platform,
            as_day(as_of),
            label_lead=label_lead,
            known_at=known_at,
            full=full,
            notify=platform.notify,
        )
    show(receipt, as_json=as_json, text=receipts.train)


def models(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the model versions with stage, alias, metrics and as_of, and what the catalog's defaults would cost each of them.

    Example: streamflow models
    """
    from streamflow.core.training.default_costs import of_metrics
    from streamflow.steps.stages.transitions import disagreements

    with invocation(context).platform() as platform:
        found, apart = platform.models.versions(), disagreements(platform)
    if as_json:
        show(found, as_json=True, text=str)
        return
    rows = [
        (
            v.version,
            v.stage,
            ", ".join(v.aliases),
            v.as_of,
            *(f"{v.metrics[m]:.4f}" if m in v.metrics else "" for m in ("auc", "f1", "accuracy")),
            v.run_id,
        )
        for v in found
    ]
    table(
        f"Versions of {platform.catalog.model}",
        ("version", "stage", "alias", "as_of", "AUC", "F1", "accuracy", "run_id"),
        rows,
    )
    for v in found:
        for of, cost in of_metrics(v.metrics).items():
            print(
                f"  version {v.version}, default of {of}: AUC {cost['auc_change']:+.4f}, {cost['flips']:.2%} of decisions others"
            )
    for words in apart:
        print(f"  note: {words}")


def promote(
    context: typer.Context,
    version: Annotated[
        int | None,
        typer.Argument(
            min=1,
            help="The model version; without it the one in Staging, else the newest.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", help="staging or production.", metavar="STAGE")
    ] = "production",
    why: Annotated[str, typer.Option("--why", help="The reason, for the ledger.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the whole evidence and change nothing.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Promote whatever the gate says; needs --why, and is recorded."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let the gate decide whether a version takes the champion's place, on users that neither was trained on.

    The exit code is 1 when it is refused. Staging has no gate.

    Example: streamflow promote 2 --why "February's labels"

    Example: streamflow promote --dry-run
    """
    from streamflow.steps.promotion.promote import STAGES
    from streamflow.steps.promotion.promote import promote as step

    if to.lower() not in STAGES:
        raise typer.BadParameter(f"'{to}' is not one of {', '.join(STAGES)}", param_hint="--to")
    if force and not why.strip():
        raise typer.BadParameter(
            "a forced promotion needs a reason: --why TEXT", param_hint="--force"
        )
    with invocation(context).platform() as platform:
        receipt = step(
            platform,
            version,
            to=to.lower(),
            why=why,
            force=force,
            dry_run=dry_run,
            notify=platform.notify,
        )
    show(receipt, as_json=as_json, text=lifecycle_receipts.promote)
    if receipt.refused:
        raise typer.Exit(1)


def retrain(
    context: typer.Context,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            "--as-of",
            formats=["%Y-%m-%d"],
            help="The drop to train on; without it the newest one with labels.",
        ),
    ] = None,
    label_lead: LabelLead = 0,
    why: Annotated[str, typer.Option("--why", help="The reason, for the ledger.")] = "asked for",
    force: Annotated[
        bool, typer.Option("--force", help="Whether or not the cool-down is over.")
    ] = False,
    on_verdict: Annotated[
        bool, typer.Option("--on-verdict", help="Only if 'monitor' fires on that drop.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Train on the newest labelled drop and promote the version if the gate lets it, as the Prefect flow train_and_compare.

    On data, features and configuration that were decided before it does nothing; one that was interrupted goes on.

    Example: streamflow retrain --why "March has arrived"
    """
    from streamflow.services.prefect_server import prefect_server

    call = invocation(context)
    with (
        call.platform() as platform,
        prefect_server(platform.environment, platform.home, notify=call.notify) as ready,
    ):
        ready()
        from streamflow import flows

        with flows.settled():
            day = as_day(as_of) if as_of else None
            receipt = flows.train_and_compare(
                day, label_lead, why=why, force=force, on_verdict=on_verdict, flags=call.flags
            )
    show(receipt, as_json=as_json, text=lifecycle_receipts.retrain)


def predict(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The entity's key, such as 7590-VHVEG.")],
    as_json: JsonFlag = False,
) -> None:
    """Predict for one key with the version in Production and the live features.

    Example: streamflow predict 7590-VHVEG --json
    """
    from streamflow.steps.serving.predict import predict as step

    with invocation(context).platform() as platform:
        receipt = step(platform, key, now=datetime.now(UTC))
    show(receipt, as_json=as_json, text=receipts.predict)


def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option("--host", help="The address to bind to (STREAMFLOW_API_HOST).")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65535, help="The port (STREAMFLOW_API_PORT); 0 takes a free one."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes that answer (STREAMFLOW_API_WORKERS)."),
    ] = None,
) -> None:
    """Serve the version in Production over HTTP; a promotion or rollback is served within 5 seconds, without a restart.

    Example: streamflow serve --port 8000
    """
    from dataclasses import replace

    from streamflow.services.processes import require_port

    call = invocation(context)
    call = replace(
        call, flags={**call.flags, "api_host": host, "api_port": port, "api_workers": workers}
    )
    settings = call.settings()
    bound = require_port(settings.api_host, settings.api_port)
    from streamflow.api.server import serve as run_server

    with call.platform(as_api=True, migrated=False) as platform:
        call.notify(f"http://{settings.api_host}:{bound}  (docs at /docs, Ctrl-C stops)")
        run_server(platform, settings.api_host, bound, flag_settings=call.given)
