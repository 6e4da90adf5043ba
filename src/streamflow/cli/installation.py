"""Commands on the installation: demo, settings, env, exec."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from streamflow.cli.context import JsonFlag, as_day, invocation, show, table


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    app.command("demo")(demo)
    app.command("settings")(settings)
    app.command("env")(env)
    app.command(
        "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
    )(execute)


def demo(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Your own drops, a subfolder each, instead of simulated ones.",
            metavar="DIR",
        ),
    ] = None,
    as_of: Annotated[
        list[datetime] | None,
        typer.Option(
            "--as-of",
            formats=["%Y-%m-%d"],
            help="as_of of each subfolder in order of name; else from its drop.toml.",
        ),
    ] = None,
) -> None:
    """Two months end to end: drops, training, promotion, the API and the reference's calls over HTTP.

    Example: streamflow demo --data drops --as-of 2024-01-31 --as-of 2024-02-29
    """
    from streamflow.cli.demo import demo as tell

    tell(invocation(context), data, [as_day(day) for day in as_of or []])


def settings(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List every setting with its value and where that comes from.

    Example: STREAMFLOW_SEED=7 streamflow settings
    """
    from streamflow.settings import explain

    call = invocation(context)
    rows = explain(call.settings())
    if as_json:
        show(rows, as_json=True, text=str)
        return
    table(
        "Settings",
        ("setting", "value", "from", "what"),
        [(r.name, r.value, r.origin, r.description) for r in rows],
    )
    from streamflow.database import data_folder

    print(f"embedded PostgreSQL: {data_folder(call.settings().home.absolute())}")


def env(context: typer.Context) -> None:
    """Print the variables with which stock clients work on this installation.

    A password is never printed: name a PGPASSFILE instead. Without one of our processes the embedded server is not up: use exec.

    Example: streamflow env
    """
    with invocation(context).platform(migrated=False) as platform:
        for name, value in platform.environment.items():
            print(
                f"# {name} is not printed"
                if name == "PGPASSWORD"
                else f"export {name}={shlex.quote(value)}"
            )


def execute(
    context: typer.Context,
    command: Annotated[
        list[str],
        typer.Argument(help="The command and its arguments, after --.", metavar="-- CMD …"),
    ],
) -> None:
    """Run a stock client with PostgreSQL up and the variables of 'env' set.

    Example: streamflow exec -- mlflow experiments search

    Example: streamflow exec -- feast feature-views list
    """
    from streamflow.database import replace_process
    from streamflow.settings import inherited_environment

    with invocation(context).platform(migrated=False) as platform:
        inherited = inherited_environment()
        ours = str(Path(sys.executable).parent)  # where the feast and mlflow of our versions are
        path = os.pathsep.join([ours, inherited.get("PATH", os.defpath)])
        replace_process(
            command, {**inherited, **platform.environment, "PATH": path}, platform.attachment
        )
