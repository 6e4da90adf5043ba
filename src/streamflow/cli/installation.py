"""Commands on the installation: migrate, doctor, settings, env, exec."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli import receipts
from streamflow.cli.context import invocation, print_table, print_text, show
from streamflow.cli.options import JsonFlag

if TYPE_CHECKING:
    from streamflow.settings import Settings
    from streamflow.steps.upkeep.doctor import Finding

# A repair that was broken off begins with this word: see `streamflow.steps.upkeep.doctor.fix`.
STOPPED = "stopped"


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("migrate")(migrate)
    app.command("doctor")(doctor)
    app.command("settings")(settings)
    app.command("env")(env)
    # Every argument belongs to the command that exec runs.
    foreign_arguments = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command("exec", context_settings=foreign_arguments)(execute)


def migrate(
    context: typer.Context,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what would be done; do nothing.")
    ] = False,
    change_catalog: Annotated[
        bool,
        typer.Option(
            "--change-catalog",
            help="Use the catalog that --catalog names in place of that of this installation.",
        ),
    ] = False,
    require_stopped: Annotated[
        bool,
        typer.Option(
            "--require-stopped",
            help="Change nothing while other programs are connected to the database.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Create or update the tables, MLflow and Feast.

    Afterwards PostgreSQL, MLflow and Feast have what the code and the catalog need. The
    installation remembers its catalog: later commands use it without --catalog.

    Example: streamflow migrate --plan

    Example: streamflow --catalog gym.toml migrate --change-catalog
    """
    from streamflow.steps.data import migrate as step

    with invocation(context).platform(migrated=False) as platform:
        if change_catalog and not platform.catalog_file.is_named:
            raise typer.BadParameter("--change-catalog: name the catalog with --catalog FILE")
        if plan:
            receipt = step.plan_migration(platform, change_catalog=change_catalog)
        else:
            receipt = step.migrate(
                platform, change_catalog=change_catalog, require_stopped=require_stopped
            )
    show(receipt, as_json=as_json, text=receipts.migrate)


def doctor(
    context: typer.Context,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="Repair what can be repaired without loss of data, and check again."
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Compare all frozen rows with their digests, not a sample."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check the installation, and repair it with --fix.

    Each subject is ok, a note or WRONG. A note is not a fault: a new installation has no model yet.
    The exit code is 1 if something is WRONG.

    Example: streamflow doctor --fix
    """
    from streamflow.steps.upkeep.doctor import doctor as step
    from streamflow.steps.upkeep.doctor import repair

    call = invocation(context)
    settings = call.settings()
    clock = partial(datetime.now, UTC)
    findings = step(settings, now=clock, full=full)
    repairs = []
    if fix:
        repairs = repair(settings, findings, call.notify)
    if repairs:
        findings = step(settings, now=clock, full=full)
    if as_json:
        show({"findings": findings, "done": repairs}, as_json=True, text=str)
    else:
        _print_findings(findings, repairs)
    if any(finding.is_wrong for finding in findings):
        raise typer.Exit(1)


def _print_findings(findings: list[Finding], repairs: list[str]) -> None:
    for repair in repairs:
        print_text(repair if repair.startswith(STOPPED) else f"[FIXED] {repair}")
    rows = [
        (
            _describe_state(finding),
            finding.subject,
            finding.text,
            "" if finding.state == "ok" else finding.remedy,
        )
        for finding in findings
    ]
    print_table("Doctor", ("", "what", "found", "what to do"), rows)


def _describe_state(finding: Finding) -> str:
    is_repairable = finding.is_wrong and finding.fixable
    return f"{finding.state}, --fix can repair it" if is_repairable else str(finding.state)


def settings(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List all settings with their values and origins.

    Example: STREAMFLOW_SEED=7 streamflow settings
    """
    from streamflow.files.home_catalog import load_home_catalog
    from streamflow.settings import apply_catalog_defaults, list_settings

    call = invocation(context)
    configured = call.settings()
    home_catalog = load_home_catalog(configured.home.absolute(), configured.catalog)
    for note in home_catalog.list_notes():
        call.notify(note)
    completed = apply_catalog_defaults(configured, home_catalog.catalog.model)
    explanations = list_settings(completed)
    if as_json:
        show(explanations, as_json=True, text=str)
        return
    rows = [
        (setting.name, setting.value, setting.origin, setting.description)
        for setting in explanations
    ]
    print_table("Settings", ("setting", "value", "from", "what"), rows)
    print_text(_describe_database(configured))


def _describe_database(settings: Settings) -> str:
    """Say where the database lies."""
    from streamflow.database import data_folder

    if settings.database_url is not None:
        return "The database lies on your own PostgreSQL, which the setting database_url names."
    home = settings.home.absolute()
    data = data_folder(home)
    if data.is_relative_to(home):
        return f"The embedded PostgreSQL keeps the database in {data}."
    return (
        f"The embedded PostgreSQL keeps the database in {data}. This is not in the state folder,"
        " because PostgreSQL does not run as root, and a different user must reach the files."
        " 'streamflow uninstall' deletes both."
    )


def env(context: typer.Context) -> None:
    """Print the environment variables for other clients.

    With these variables, clients such as mlflow, feast and psql use this installation. The command
    never prints a password: name a PGPASSFILE instead. The embedded PostgreSQL only runs while a
    streamflow process needs it. If none is running, use 'streamflow exec'.

    Example: streamflow env
    """
    with invocation(context).platform(migrated=False) as platform:
        for name, value in platform.environment.items():
            if name == "PGPASSWORD":
                print(f"# {name} is not printed")
            else:
                print(f"export {name}={shlex.quote(value)}")


def execute(
    context: typer.Context,
    command: Annotated[
        list[str],
        typer.Argument(help="The command and its arguments, after --.", metavar="-- CMD …"),
    ],
) -> None:
    """Run a client such as mlflow with the variables of 'env'.

    PostgreSQL runs for as long as the client does.

    Example: streamflow exec -- mlflow experiments search

    Example: streamflow exec -- feast feature-views list
    """
    from streamflow.database import replace_process
    from streamflow.settings import inherited_environment

    with invocation(context).platform(migrated=False) as platform:
        inherited = inherited_environment()
        # The feast and mlflow of our versions are in this folder.
        python_folder = str(Path(sys.executable).parent)
        path = os.pathsep.join([python_folder, inherited.get("PATH", os.defpath)])
        environment = {**inherited, **platform.environment, "PATH": path}
        replace_process(command, environment, platform.attachment)
