"""The command that removes an installation: uninstall."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import invocation, show
from streamflow.cli.options import JsonFlag
from streamflow.errors import UninstallRefused

if TYPE_CHECKING:
    from streamflow.steps.upkeep.uninstall import UninstallReceipt


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("uninstall")(uninstall)


def uninstall(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without a question.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be deleted; delete nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete this installation: its state folder and its embedded database.

    All data, models and logs of the installation are lost, so make a backup before. The command
    says what it will delete, and asks. It refuses while a process uses the installation, and it
    refuses a folder with files that streamflow did not make. A PostgreSQL of your own is never
    touched: the command says what you can drop there. The program itself stays.

    The exit code is 1 if you answer no, and 31 if the command refuses.

    Example: streamflow uninstall --dry-run

    Example: streamflow --home .streamflow-demo uninstall --yes
    """
    from streamflow.steps.upkeep import uninstall as step

    settings = invocation(context).settings()
    if as_json and not (yes or dry_run):
        raise typer.BadParameter(
            "with --json the command does not ask: add --yes or --dry-run", param_hint="--json"
        )
    plan = step.plan_uninstall(settings)
    if dry_run or not plan.folders:
        show(plan, as_json=as_json, text=_describe_plan)
        return
    with ExitStack() as closing:
        _lock_out_services(plan.home, closing)
        if not yes:
            with step.keep_unused(plan.home):
                print(_describe_plan(plan))
            if not typer.confirm("Delete all of it? It cannot be restored."):
                print("[NO] nothing was deleted")
                raise typer.Exit(1)
        receipt = step.uninstall(settings)
    show(receipt, as_json=as_json, text=_describe_deletion)


def _lock_out_services(home: Path, closing: ExitStack) -> None:
    """Let no `up` start until `closing` ends. Raises UninstallRefused if services are up."""
    from streamflow.services.running_stack import take_lock

    if not home.is_dir():
        return
    lock = take_lock(home)
    if lock is None:
        raise UninstallRefused(
            f"the services of {home} are up",
            remedy="Run 'streamflow down', then try again.",
        )
    closing.callback(os.close, lock)


def _describe_plan(plan: UninstallReceipt) -> str:
    if not plan.folders:
        return _join_lines(f"[OK] nothing to delete: {plan.home} does not exist", [], plan)
    return _join_lines("This deletes:", _list_folders(plan), plan)


def _describe_deletion(receipt: UninstallReceipt) -> str:
    return _join_lines("[OK] deleted:", _list_folders(receipt), receipt)


def _list_folders(receipt: UninstallReceipt) -> list[str]:
    """Return a line for each folder, with its size and what it is."""
    lines = []
    for folder in receipt.folders:
        content = "the state folder" if folder.path == receipt.home else "the embedded PostgreSQL"
        lines.append(f"  {folder.path} ({folder.bytes / 1e6:,.1f} MB), {content}")
    return lines


def _join_lines(title: str, lines: list[str], receipt: UninstallReceipt) -> str:
    """Return a text that ends with what stays and must be removed by hand."""
    if receipt.remaining:
        lines = [*lines, "What stays, because it is not in the state folder:"]
        lines += [f"  {remaining}" for remaining in receipt.remaining]
    return "\n".join([title, *lines])
