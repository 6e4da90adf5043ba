"""Commands on the API keys: keys create, keys list, keys revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamflow.cli.context import invocation, print_table, show
from streamflow.cli.options import JsonFlag
from streamflow.cli.printable import one_line
from streamflow.core.data.counts import count_of
from streamflow.core.serving.api_keys import MAX_DAYS

if TYPE_CHECKING:
    from streamflow.steps.serving.api_keys import KeyReceipt, RevokeReceipt

keys = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Manage the API keys: create, list and revoke them.\n\n"
        "A key says who may use the API, and for what. A running API follows a change within"
        " 5 seconds.\n\n"
        "Example: streamflow keys create crm --scope predict --expires 90"
    ),
)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    keys.command("create")(create_key)
    keys.command("list")(list_keys)
    keys.command("revoke")(revoke_keys)
    app.add_typer(keys, name="keys")


def _require_name(name: str) -> str:
    """Refuse an empty name: the list of keys would not say what a key is for."""
    if not name.strip():
        raise typer.BadParameter("the name is empty; say what the key is for")
    return name


def create_key(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="What the key is for, in your own words.", metavar="NAME", callback=_require_name
        ),
    ],
    scope: Annotated[
        Literal["metrics", "read", "predict", "admin"],
        typer.Option(
            "--scope",
            help="metrics: only /metrics. read: also features and the model. predict: also"
            " predictions. admin: everything.",
        ),
    ],
    expires: Annotated[
        int | None,
        typer.Option(
            "--expires",
            min=1,
            max=MAX_DAYS,
            metavar="DAYS",
            help="For how many days the key is in force (default: for ever).",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a key and print it, only this once.

    Only a digest of the key is stored, so it cannot be shown again.

    Example: streamflow keys create crm --scope predict --expires 90
    """
    from streamflow.steps.serving.api_keys import create_key as step

    with invocation(context).platform() as platform:
        receipt = step(platform, name, scope=scope, days=expires)
    show(receipt, as_json=as_json, text=_format_created)


def list_keys(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List all keys that were ever created.

    Revoked keys are listed too. The list contains no secret.

    Example: streamflow keys list
    """
    from streamflow.steps.serving.api_keys import list_keys as step

    with invocation(context).platform() as platform:
        key_rows = step(platform)
    if as_json:
        show(key_rows, as_json=True, text=str)
        return
    rows = [
        (
            key.id,
            one_line(key.name),
            key.scope,
            key.state,
            _format_minute(key.created),
            _format_minute(key.expires),
            _format_minute(key.revoked),
        )
        for key in key_rows
    ]
    header = ("id", "name", "scope", "state", "created (UTC)", "expires", "revoked")
    print_table("API keys", header, rows)


def revoke_keys(
    context: typer.Context,
    name_or_id: Annotated[
        str,
        typer.Argument(
            help="The id of a key, or a name: all keys of this name are revoked.",
            metavar="NAME|ID",
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Revoke the key with this id, or all keys of this name.

    A running API refuses them within 5 seconds. A key that is revoked already stays as it is.

    Example: streamflow keys revoke crm
    """
    from streamflow.steps.serving.api_keys import revoke_keys as step

    with invocation(context).platform() as platform:
        receipt = step(platform, name_or_id)
    show(receipt, as_json=as_json, text=_format_revoked)


def _format_minute(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"


def _format_created(receipt: KeyReceipt) -> str:
    row = receipt.row
    until = f" until {_format_minute(row.expires)}" if row.expires else ""
    return (
        f"{receipt.key}\n"
        f"[OK] key {row.id} for {one_line(row.name)}, scope {row.scope}{until};"
        " it is not shown again"
    )


def _format_revoked(receipt: RevokeReceipt) -> str:
    lines = [f"  {row.id}  {one_line(row.name)}  scope {row.scope}" for row in receipt.revoked]
    lines += [
        f"  {row.id}  {one_line(row.name)}  was revoked before, at {_format_minute(row.revoked)}"
        for row in receipt.revoked_before
    ]
    lines.append(f"[OK] {count_of(len(receipt.revoked), 'key')} revoked")
    return "\n".join(lines)
