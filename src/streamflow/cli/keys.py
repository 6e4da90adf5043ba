"""Commands on the keys of the API: keys create, list, revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamflow.cli.context import JsonFlag, invocation, show, table

if TYPE_CHECKING:
    from streamflow.steps.serving.api_keys import KeyReceipt, RevokeReceipt

keys = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Who may ask the API, and for what; a running API follows within 5 s.\n\n"
    "Example: streamflow keys create crm --scope predict --expires 90",
)


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for name, command in (("create", create), ("list", listing), ("revoke", revoke)):
        keys.command(name)(command)
    app.add_typer(keys, name="keys")


def create(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="What the key is for, in your words.", metavar="NAME")
    ],
    scope: Annotated[
        Literal["metrics", "read", "predict", "admin"],
        typer.Option(
            "--scope",
            help="metrics: /metrics; read: that, features and model; predict: that and predictions; admin: all.",
        ),
    ],
    expires: Annotated[
        int | None,
        typer.Option(
            "--expires", min=1, metavar="DAYS", help="Days it is in force; else for ever."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key and print it, this once: only a digest of it is kept.

    Example: streamflow keys create crm --scope predict --expires 90
    """
    from streamflow.steps.serving.api_keys import create_key

    with invocation(context).platform() as platform:
        receipt = create_key(platform, name, scope=scope, days=expires)
    show(receipt, as_json=as_json, text=_created)


def listing(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List every key that was ever made, revoked ones too; no secret is among it.

    Example: streamflow keys list
    """
    from streamflow.steps.serving.api_keys import list_keys

    with invocation(context).platform() as platform:
        rows = list_keys(platform)
    if as_json:
        show(rows, as_json=True, text=str)
        return
    shown = [
        (r.id, r.name, r.scope, r.state, _minute(r.created), _minute(r.expires), _minute(r.revoked))
        for r in rows
    ]
    table(
        "Keys of the API",
        ("id", "name", "scope", "state", "created (UTC)", "expires", "revoked"),
        shown,
    )


def revoke(
    context: typer.Context,
    called: Annotated[
        str,
        typer.Argument(help="The id of a key, or the name of one or several.", metavar="NAME|ID"),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Revoke the key of an id, or all of a name; a running API refuses them within 5 s.

    Example: streamflow keys revoke crm
    """
    from streamflow.steps.serving.api_keys import revoke_keys

    with invocation(context).platform() as platform:
        receipt = revoke_keys(platform, called)
    show(receipt, as_json=as_json, text=_revoked)


def _minute(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"


def _created(r: KeyReceipt) -> str:
    until = f" until {_minute(r.row.expires)}" if r.row.expires else ""
    return f"{r.key}\n[OK] key {r.row.id} for {r.row.name}, scope {r.row.scope}{until}; it is not shown again"


def _revoked(r: RevokeReceipt) -> str:
    lines = [f"  {row.id}  {row.name}  scope {row.scope}" for row in r.revoked]
    return "\n".join([*lines, f"[OK] {len(r.revoked)} revoked"])
