"""Commands that make predictions: predict, score, explain, serve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli import receipts, score_receipts
from streamflow.cli.context import invocation, show
from streamflow.cli.options import AsOf, Engine, EntityKey, JsonFlag, as_instant

if TYPE_CHECKING:
    from streamflow.models.trial_process import TrialProcess
    from streamflow.settings import Settings

ScoredVersion = Annotated[
    int | None,
    typer.Option(
        "--version",
        min=1,
        help="The model version (default: the one in Production).",
        show_default=False,
    ),
]
ScoreFile = Annotated[
    Path | None,
    typer.Option("--out", help="Write the rows to this .csv or .parquet file.", metavar="FILE"),
]
WithReasons = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Add the main reasons to each row. This takes longer: with a forest of 300 trees,"
        " about 5 ms for each row in a drop of 20,000 users.",
    ),
]

Host = Annotated[
    str | None,
    typer.Option("--host", help="The address to bind to (STREAMFLOW_API_HOST)."),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=0,
        max=65535,
        help="The port (STREAMFLOW_API_PORT). 0 takes a free port.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="How many processes answer requests (STREAMFLOW_API_WORKERS).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("predict")(predict)
    app.command("score")(score)
    app.command("explain")(explain)
    app.command("serve")(serve)


def predict(context: typer.Context, key: EntityKey, as_json: JsonFlag = False) -> None:
    """Predict for one user with the version in Production.

    The prediction is made from the live features of the user.

    Example: streamflow predict 7590-VHVEG --json
    """
    call = invocation(context)
    from streamflow.steps.serving.predict import predict as step

    with call.platform() as platform:
        receipt = step(platform, key, now=datetime.now(UTC))
    show(receipt, as_json=as_json, text=receipts.predict)


def score(
    context: typer.Context,
    as_of: AsOf,
    version: ScoredVersion = None,
    out: ScoreFile = None,
    explain: WithReasons = False,
    engine: Engine = None,
    as_json: JsonFlag = False,
) -> None:
    """Predict for all keys of a drop, from its frozen rows.

    If the same rows were scored with the same version before, nothing is computed again.

    Example: streamflow score --as-of 2024-02-29 --out scores.parquet
    """
    from streamflow.steps.serving.score import score as step

    with invocation(context).with_flags(engine=engine).platform() as platform:
        receipt = step(platform, as_instant(as_of), version=version, out=out, explain=explain)
    show(receipt, as_json=as_json, text=score_receipts.score)


def explain(
    context: typer.Context,
    key: EntityKey,
    top: Annotated[
        int, typer.Option("--top", min=1, help="How many reasons to show, the largest first.")
    ] = 5,
    as_json: JsonFlag = False,
) -> None:
    """Explain the prediction for one user.

    The command shows how much each feature adds to the prediction of the version in Production.

    Example: streamflow explain 7590-VHVEG --top 3
    """
    call = invocation(context)
    from streamflow.steps.serving.explain import explain as step

    with call.platform() as platform:
        receipt = step(platform, key, now=datetime.now(UTC))
    show(receipt, as_json=as_json, text=lambda reasons: score_receipts.explain(reasons, top))


def serve(
    context: typer.Context,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
) -> None:
    """Serve predictions over HTTP, with the version in Production.

    After a promotion or a rollback, the API serves the new version within 5 seconds, without a
    restart.

    Example: streamflow serve --port 8000
    """
    from dataclasses import replace

    from streamflow.services.processes import require_port, web_address

    call = invocation(context)
    flags = {**call.flags, "api_host": host, "api_port": port, "api_workers": workers}
    call = replace(call, flags=flags)
    settings = call.settings()
    bound_port = require_port(settings.api_host, settings.api_port)
    with _start_trial(settings) as trial:
        from streamflow.api.server import serve as run_server
        from streamflow.warehouse.roles import API

        with call.platform(role=API, migrated=False) as platform:
            address = web_address(settings.api_host, bound_port)
            call.notify(f"{address}  (documentation at /docs; Ctrl-C stops the API)")
            run_server(
                platform,
                settings.api_host,
                bound_port,
                flag_settings=call.flag_settings,
                trial=trial,
            )


@contextmanager
def _start_trial(settings: Settings) -> Iterator[TrialProcess | None]:
    """Start the trial of the first version. It imports its libraries beside those of the server.

    Several workers start their own. Without a trial the value is None.
    """
    from streamflow.models.trial_process import TrialProcess

    if settings.api_trial == "off" or settings.api_workers > 1:
        yield None
        return
    with closing(TrialProcess()) as trial:
        yield trial
