"""The command demo: all of streamflow on two months of data."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli import lifecycle_receipts, receipts
from streamflow.cli.context import Invocation, invocation, print_table
from streamflow.cli.flow_server import flow_server
from streamflow.cli.options import as_day
from streamflow.core.data.counts import count_of
from streamflow.errors import DropConflict

if TYPE_CHECKING:
    from streamflow.flows import DemoReceipt
    from streamflow.platform import Platform

USERS = 7043
MONTHS = 2
SEED = 42

DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="A folder with your own drops, one in each subfolder (default: simulated drops).",
        metavar="DIR",
    ),
]
DropDates = Annotated[
    list[datetime] | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        help="The date of each subfolder, in the order of their names (default: the date in"
        " its drop.toml).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    data: DataFolder = None,
    as_of: DropDates = None,
) -> None:
    """Run everything once, on two months of simulated data.

    The demo loads the drops, trains, promotes, retrains, starts the API, and calls it over HTTP.

    It works in a state folder of its own, so that your installation never meets its data. The
    folder is .streamflow-demo, or the folder of STREAMFLOW_HOME with -demo at its end. To choose
    a different folder, write --home DIR before the command: this folder is used as it is. The demo
    refuses a database with drops that it did not load, such as the one of STREAMFLOW_DATABASE_URL.

    Example: streamflow demo

    Example: streamflow demo --data drops --as-of 2024-01-31 --as-of 2024-02-29

    Example: streamflow --home /srv/demo demo
    """
    from streamflow.cli.demo_calls import call_api, read_first_key
    from streamflow.cli.demo_home import claim_home, use_demo_home

    call = use_demo_home(invocation(context))
    home = call.settings().home
    print(f"The demo works in its own state folder, {home}. Your installation stays as it is.")
    with call.platform(migrated=False) as platform:
        claim_home(platform)
        receipt, drops = _run_flow(call, platform, data, [as_day(day) for day in as_of or []])
        _print_receipts(receipt)
        newest_folder, _ = drops[-1]
        key = read_first_key(platform, newest_folder)
        for api_call in call_api(platform, call, key):
            answer = json.dumps(api_call.answer)
            print(f"{api_call.method} {api_call.path} -> {api_call.status} {answer}")
        _print_summary(platform, receipt, drops, is_simulated=data is None)
        _print_next_commands(home, key, newest_as_of=drops[-1][1])
    print(f"The demo's data is in {home}. Commands without --home {home} do not meet it.")


def _run_flow(
    call: Invocation,
    platform: Platform,
    data: Path | None,
    as_ofs: Sequence[date],
) -> tuple[DemoReceipt, list[tuple[Path, date]]]:
    """Run the Prefect flow of the demo. Return its receipt, and each drop with its date."""
    from streamflow.steps.data.migrate import ensure_migrated

    drops: list[tuple[Path, date]] = []

    def prepare() -> None:
        drops.extend(_list_drops(data, as_ofs) if data else _simulate_drops(platform, call))
        ensure_migrated(platform)

    with flow_server(call, platform, prepare=prepare):
        from streamflow import flows

        drop_arguments = [(str(folder), day) for folder, day in drops]
        return flows.demo(drop_arguments, flags=call.flags), drops


def _simulate_drops(platform: Platform, call: Invocation) -> list[tuple[Path, date]]:
    from streamflow.steps.data.simulate import simulate

    receipt = simulate(
        platform.home / "demo",
        users=USERS,
        months=MONTHS,
        seed=SEED,
        notify=call.notify,
    )
    print(receipts.simulate(receipt))
    return list(zip(receipt.folders, receipt.as_ofs, strict=True))


def _list_drops(data: Path, as_ofs: Sequence[date]) -> list[tuple[Path, date]]:
    """List the subfolders in the order of their names, each with its date.

    The dates come from `as_ofs`, or from the drop.toml of each subfolder if `as_ofs` is empty.
    """
    if not data.is_dir():
        raise typer.BadParameter(f"{data}: no such folder", param_hint="--data")
    folders = sorted(
        path for path in data.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if not folders:
        raise typer.BadParameter(
            f"{data}: the folder has no subfolders; put each drop into one", param_hint="--data"
        )
    if not as_ofs:
        return [(folder, _read_date(folder)) for folder in folders]
    if len(as_ofs) != len(folders):
        raise typer.BadParameter(
            f"--as-of is given {count_of(len(as_ofs), 'time')},"
            f" but {data} has {count_of(len(folders), 'subfolder')}",
            param_hint="--as-of",
        )
    return list(zip(folders, as_ofs, strict=True))


def _read_date(folder: Path) -> date:
    from streamflow.files.drop_folders import DATE_FILE, read_drop_date

    as_of = read_drop_date(folder)
    if as_of is None:
        raise DropConflict(
            f"{folder / DATE_FILE}: no such file; the date of the drop is unknown",
            remedy="Write 'as_of = YYYY-MM-DD' into it, or give --as-of for each subfolder.",
        )
    return as_of


def _print_receipts(receipt: DemoReceipt) -> None:
    first_month, *later_months = receipt.months
    print(receipts.monthly(first_month))
    print(receipts.train(receipt.train))
    print(lifecycle_receipts.promote(receipt.promote))
    for month in later_months:
        print(receipts.monthly(month))
    if receipt.retrain:
        print(lifecycle_receipts.retrain(receipt.retrain))


def _served_version(receipt: DemoReceipt) -> int:
    """Return the version that is in Production at the end of the demo."""
    challenger = receipt.retrain
    if challenger and challenger.version and challenger.decision == "promoted":
        return challenger.version
    return receipt.train.version


def _print_summary(
    platform: Platform,
    receipt: DemoReceipt,
    drops: Sequence[tuple[Path, date]],
    *,
    is_simulated: bool,
) -> None:
    """Print a table of the parts of the demo: what each was, and where it is."""
    training = receipt.train
    dates = ", ".join(str(as_of) for _, as_of in drops)
    origin = "simulated" if is_simulated else "yours"
    server = "embedded PostgreSQL 18" if platform.attachment else "your PostgreSQL"
    flows = f"monthly ×{len(drops)}, train, train_and_compare, demo"
    holdout = count_of(training.metrics.holdout_rows, "row")
    metrics = f"AUC={training.metrics.auc:.4f}, hold-out {holdout}"
    version = f"{platform.catalog.model} version {_served_version(receipt)}"
    rows = [
        ("drops", f"{len(drops)} ({origin})", dates),
        ("warehouse", server, platform.login.display),
        ("flows", "Prefect", f"{flows}; state in {platform.home / 'prefect'}"),
        ("features", f"Feast service {platform.catalog.service}", str(platform.home / "feast")),
        ("training", f"MLflow run {training.run_id}", metrics),
        ("registry", version, "in Production; 'streamflow ledger' shows the reason"),
        (
            "API",
            "FastAPI",
            "health, features, a prediction, an unknown key: all answers as expected",
        ),
    ]
    print_table("What ran where", ("part", "what", "where"), rows)


def _print_next_commands(home: Path, key: str, *, newest_as_of: date) -> None:
    """Print commands that work in the state folder of the demo, whatever the shell has set."""
    streamflow = f"streamflow --home {shlex.quote(str(home))}"
    rows = [
        ("serve", "the API, with its page at /docs"),
        (f"score --as-of {newest_as_of} --explain", "scores of all users, with reasons"),
        ("console", "pages: who is at risk and why, from these scores"),
        (f"predict {key}", "one prediction"),
        ("models", "the versions of the model"),
        ("snapshots", "the frozen revisions"),
        (
            f"train --as-of {newest_as_of} --model auto",
            "the best of three kinds of models, by cross-validation",
        ),
        ("promote --dry-run", "what the gate would decide about the newest version"),
        ("exec -- mlflow ui", "MLflow's own page on these runs"),
        ("exec -- feast feature-views list", "Feast's own list of the feature views"),
        ("uninstall", "remove the demo and its data"),
    ]
    commands = [(f"{streamflow} {arguments}", meaning) for arguments, meaning in rows]
    print_table("What to try next", ("command", "what it does"), commands)
