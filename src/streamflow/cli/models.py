"""Commands on model versions: models, promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli import lifecycle_receipts, version_receipts
from streamflow.cli.context import invocation, print_table, print_text, show
from streamflow.cli.options import MAX_NUMBER, JsonFlag, Why

if TYPE_CHECKING:
    from streamflow.models.model_version import ModelVersion

SHOWN_METRICS = ("auc", "f1", "accuracy")

PromotedVersion = Annotated[
    int | None,
    typer.Argument(
        min=1,
        help="The model version (default: the one in Staging, else the newest).",
        show_default=False,
    ),
]
TargetStage = Annotated[
    str, typer.Option("--to", help="The stage: staging or production.", metavar="STAGE")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show all the evidence, and change nothing.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Promote whatever the gate decides. It needs --why, and the ledger records it.",
    ),
]


Below = Annotated[
    int | None,
    typer.Option(
        "--below", min=1, max=MAX_NUMBER, help="Only versions with smaller numbers.", metavar="N"
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, max=1000, help="How many versions at most (default: all)."),
]
ShownVersion = Annotated[
    int | None,
    typer.Argument(min=1, help="Show everything of this version.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("models")(models)
    app.command("promote")(promote)


def models(
    context: typer.Context,
    version: ShownVersion = None,
    below: Below = None,
    limit: Limit = None,
    as_json: JsonFlag = False,
) -> None:
    """List the model versions with their stages and metrics, or show one version.

    The list also shows aliases, the date of the training data, and how much the defaults of the
    catalog would change the predictions of each version. For one version, the command shows the
    candidates, the levels of the passport, the certificate, the honesty findings and the digests
    of its files.

    Example: streamflow models

    Example: streamflow models 3 --json
    """
    from streamflow.steps.stages.transitions import disagreements

    with invocation(context).platform() as platform:
        if version is not None:
            # Reading a passport imports polars, which the list can do without.
            from streamflow.steps.versions.version_record import read_version

            record = read_version(platform, version)
            show(record, as_json=as_json, text=version_receipts.version)
            return
        versions = platform.models.versions(below=below, limit=limit)
        notes = disagreements(platform)
    if as_json:
        show(versions, as_json=True, text=str)
        return
    _print_versions(platform.catalog.model, versions, notes)


def _print_versions(model: str, versions: list[ModelVersion], notes: list[str]) -> None:
    print_table(
        f"Versions of {model}",
        ("version", "stage", "alias", "as_of", "AUC", "F1", "accuracy", "run_id"),
        [_version_row(version) for version in versions],
    )
    for version in versions:
        _print_default_costs(version)
    for note in notes:
        print_text(f"  note: {note}")


def _version_row(version: ModelVersion) -> tuple[object, ...]:
    metrics = [
        f"{version.metrics[metric]:.4f}" if metric in version.metrics else ""
        for metric in SHOWN_METRICS
    ]
    aliases = ", ".join(version.aliases)
    return (
        version.version,
        version.stage,
        aliases,
        version.as_of,
        *metrics,
        version.run_id,
    )


def _print_default_costs(version: ModelVersion) -> None:
    """Print how much each default of the catalog would change the predictions of a version."""
    from streamflow.core.training.default_costs import costs_from_metrics

    for feature, cost in costs_from_metrics(version.metrics).items():
        print_text(
            f"  version {version.version}, default of {feature}:"
            f" AUC {cost['auc_change']:+.4f}, {cost['flips']:.2%} of the decisions change"
        )


def promote(
    context: typer.Context,
    version: PromotedVersion = None,
    to: TargetStage = "production",
    why: Why = "",
    dry_run: DryRun = False,
    force: Force = False,
    as_json: JsonFlag = False,
) -> None:
    """Promote a version to Production, if the gate allows it.

    The gate compares the version with the one in Production, on users that neither was trained
    on. The exit code is 1 if the gate refuses. The stage Staging has no gate.

    Example: streamflow promote 2 --why "February's labels"

    Example: streamflow promote --dry-run
    """
    from streamflow.steps.promotion.promote import promote as step

    _check_promotion(to, why, force=force)
    with invocation(context).platform() as platform:
        receipt = step(platform, version, to=to.lower(), why=why, force=force, dry_run=dry_run)
    show(receipt, as_json=as_json, text=lifecycle_receipts.promote)
    if receipt.refused:
        raise typer.Exit(1)


def _check_promotion(to: str, why: str, *, force: bool) -> None:
    from streamflow.steps.promotion.promote import STAGES, is_reason_missing

    if to.lower() not in STAGES:
        raise typer.BadParameter(f"'{to}' is not one of {', '.join(STAGES)}", param_hint="--to")
    if is_reason_missing(why, force=force):
        raise typer.BadParameter(
            "a forced promotion needs a reason: --why TEXT",
            param_hint="--force",
        )
