"""The demo: the whole chain on two months, a challenger among it, then the reference's calls over real HTTP."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from streamflow.cli import lifecycle_receipts, receipts
from streamflow.cli.context import Invocation, table
from streamflow.cli.flow_server import flow_server
from streamflow.errors import DropConflict, ServiceFailed

if TYPE_CHECKING:
    from streamflow.flows import DemoReceipt
    from streamflow.platform import Platform

USERS, MONTHS, SEED = 7043, 2, 42
OPEN = {"STREAMFLOW_API_AUTH": "off"}  # on loopback, for as long as the demo takes
UNKNOWN = {
    "string": "999999",
    "int": str(2**63 - 1),
}  # keys that nobody has: the reference's, and one that no counter reaches


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request of the demo and its answer."""

    method: str
    path: str
    status: int
    answer: dict[str, Any]


def demo(call: Invocation, data: Path | None, as_ofs: Sequence[date]) -> None:
    """Run it and print the closing table. Raises what the steps raise, ServiceFailed when an answer is not as expected."""
    from streamflow.steps.data.migrate import ensure_migrated

    with call.platform(migrated=False) as platform:
        drops: list[tuple[Path, date]] = []

        def prepare() -> None:
            drops.extend(_own_drops(data, as_ofs) if data else _simulated_drops(platform, call))
            ensure_migrated(platform)

        with flow_server(call, platform, prepare=prepare):
            from streamflow import flows

            receipt = flows.demo(
                [(str(folder), as_of) for folder, as_of in drops], flags=call.flags
            )
        first, *later = receipt.months
        print(
            receipts.monthly(first),
            receipts.train(receipt.train),
            lifecycle_receipts.promote(receipt.promote),
            sep="\n",
        )
        for month in later:
            print(receipts.monthly(month))
        if receipt.retrain:
            print(lifecycle_receipts.retrain(receipt.retrain))
        key = _first_key(platform, drops[-1][0])
        calls = _ask_the_api(platform, call, key)
        for asked in calls:
            print(f"{asked.method} {asked.path} -> {asked.status} {json.dumps(asked.answer)}")
        _closing_table(platform, receipt, drops, key, simulated=data is None)


def _simulated_drops(platform: Platform, call: Invocation) -> list[tuple[Path, date]]:
    from streamflow.steps.data.simulate import simulate

    receipt = simulate(
        platform.home / "demo", users=USERS, months=MONTHS, seed=SEED, notify=call.notify
    )
    print(receipts.simulate(receipt))
    return list(zip(receipt.folders, receipt.as_ofs, strict=True))


def _own_drops(data: Path, as_ofs: Sequence[date]) -> list[tuple[Path, date]]:
    """The subfolders in order of name, with the dates given or those of their drop.toml."""
    if not data.is_dir():
        raise typer.BadParameter(f"{data}: no such folder", param_hint="--data")
    folders = sorted(p for p in data.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise typer.BadParameter(
            f"{data}: it has no subfolders; each drop is one", param_hint="--data"
        )
    if as_ofs and len(as_ofs) != len(folders):
        raise typer.BadParameter(
            f"{len(as_ofs)} dates for {len(folders)} subfolders of {data}", param_hint="--as-of"
        )
    return [(folder, as_ofs[i] if as_ofs else _dated(folder)) for i, folder in enumerate(folders)]


def _dated(folder: Path) -> date:
    from streamflow.files.drop_folders import DATE_FILE, dated

    found = dated(folder)
    if found is None:
        raise DropConflict(
            f"{folder / DATE_FILE}: no such file to read the drop's date from",
            remedy="Write 'as_of = YYYY-MM-DD' into it, or give --as-of for each subfolder.",
        )
    return found


def _first_key(platform: Platform, folder: Path) -> str:
    """The first entity of the newest drop's own file."""
    from streamflow.files.csv_files import read_header, records

    catalog = platform.catalog
    path = folder / catalog.file(catalog.entity.table)
    return records(path, {0})[0].cells[read_header(path).index(catalog.entity.key)]


def _ask_the_api(platform: Platform, call: Invocation, key: str) -> list[Call]:
    """Start the API as the command `serve` on a free port, and make the reference's calls."""
    from streamflow.services.processes import free_port, running, wait_until_ready
    from streamflow.settings import inherited_environment

    port, log = free_port(), platform.home / "logs" / "api.log"
    flags = [
        part
        for name, value in call.flags.items()
        if value is not None
        for part in (f"--{name}", str(value))
    ]
    command = [sys.executable, "-m", "streamflow", *flags, "serve", "--port", str(port)]
    base, name = f"http://127.0.0.1:{port}", platform.catalog.entity.key
    with running(command, environment={**inherited_environment(), **OPEN}, log=log) as child:
        call.notify(f"starting the API at {base}")
        wait_until_ready(f"{base}/ready", child, name="the API", log=log)
        calls = [
            _expect(base, "GET", "/health", 200),
            _expect(base, "GET", f"/features/{key}", 200),
            _expect(base, "POST", "/predict", 200, {name: _typed(platform, key)}),
            _expect(
                base,
                "POST",
                "/predict",
                404,
                {name: _typed(platform, UNKNOWN[platform.catalog.entity.type])},
            ),
        ]
    if "missing_features" not in calls[-1].answer:
        raise ServiceFailed(
            f"the answer for an unknown key names no missing_features: {calls[-1].answer}"
        )
    return calls


def _typed(platform: Platform, key: str) -> str | int:
    return int(key) if platform.catalog.entity.type == "int" else key


def _expect(
    base: str, method: str, path: str, status: int, body: dict[str, Any] | None = None
) -> Call:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(  # our own address
        base + path, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            found, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        found, content = error.code, error.read()
    if found != status:
        raise ServiceFailed(
            f"{method} {path} was answered with {found} instead of {status}: {content.decode(errors='replace')}"
        )
    return Call(
        method=method,
        path=path if body is None else f"{path} {json.dumps(body)}",
        status=found,
        answer=json.loads(content),
    )


def _served(receipt: DemoReceipt) -> int:
    """The version in Production at the end."""
    challenged = receipt.retrain
    return (
        challenged.version
        if challenged and challenged.version and challenged.decision == "promoted"
        else receipt.train.version
    )


def _closing_table(
    platform: Platform,
    receipt: DemoReceipt,
    drops: Sequence[tuple[Path, date]],
    key: str,
    *,
    simulated: bool,
) -> None:
    server = "embedded PostgreSQL 18" if platform.attachment else "your PostgreSQL"
    kind = "simulated" if simulated else "yours"
    trained = receipt.train
    rows = [
        ("drops", f"{len(drops)} ({kind})", ", ".join(str(as_of) for _, as_of in drops)),
        ("warehouse", server, platform.login.display),
        (
            "flows",
            "Prefect",
            f"monthly ×{len(drops)}, train, train_and_compare, demo; state in {platform.home / 'prefect'}",
        ),
        ("features", f"Feast service {platform.catalog.service}", str(platform.home / "feast")),
        (
            "training",
            f"MLflow run {trained.run_id}",
            f"AUC={trained.metrics.auc:.4f}, hold-out {trained.metrics.rows:,} rows",
        ),
        (
            "registry",
            f"{platform.catalog.model} version {_served(receipt)}",
            "Production, by the gate; 'streamflow ledger' says why",
        ),
        (
            "API",
            "FastAPI",
            "health, features, a prediction, one with missing_features: all as expected",
        ),
    ]
    table("What ran where", ("part", "what", "where"), rows)
    table(
        "What to try next",
        ("command", "what it shows"),
        [
            ("streamflow serve", "the API, with its page at /docs"),
            (f"streamflow predict {key}", "one prediction"),
            ("streamflow models · streamflow snapshots", "versions · frozen revisions"),
            (
                f"streamflow train --as-of {drops[-1][1]} --model auto",
                "the best of three kinds of models, by cross-validation",
            ),
            ("streamflow promote --dry-run", "what the gate would say of the newest version"),
            ("streamflow exec -- mlflow ui", "MLflow's own page on these runs"),
            ("streamflow exec -- feast feature-views list", "Feast's own command on these views"),
        ],
    )
