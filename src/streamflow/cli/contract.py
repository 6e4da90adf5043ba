"""Commands on data contracts: contract export, contract import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import invocation, show
from streamflow.cli.options import JsonFlag, ReplaceFile
from streamflow.core.data.counts import count_of

if TYPE_CHECKING:
    from streamflow.steps.data.data_contract import ContractReceipt

contract = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Exchange the catalog with tools that read data contracts.\n\n"
        "A contract is a YAML file of the Open Data Contract Standard, version 3.1.\n\n"
        "Example: streamflow contract export churn.odcs.yaml"
    ),
)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    contract.command("export")(export_contract)
    contract.command("import")(import_contract)
    app.add_typer(contract, name="contract")


def export_contract(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="The YAML file to write.", metavar="FILE")],
    version: Annotated[
        str, typer.Option("--version", help="The version of the contract.")
    ] = "1.0.0",
    force: ReplaceFile = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the catalog as a data contract.

    Parts of the catalog that the standard cannot express are written as customProperties. The
    command needs no database.

    Example: streamflow contract export churn.odcs.yaml --version 1.2.0
    """
    from streamflow.files.home_catalog import load_home_catalog
    from streamflow.steps.data.data_contract import export_contract as step

    settings = invocation(context).settings()
    catalog = load_home_catalog(settings.home.absolute(), settings.catalog).catalog
    receipt = step(catalog, out, version=version, force=force)
    show(receipt, as_json=as_json, text=_format_receipt)


def import_contract(
    file: Annotated[Path, typer.Argument(help="The contract to read.", metavar="FILE")],
    out: Annotated[Path, typer.Option("--out", help="The catalog to write.")] = Path(
        "catalog.toml"
    ),
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            help="The column of the label, if the contract does not name it.",
            metavar="TABLE.COLUMN",
        ),
    ] = None,
    force: ReplaceFile = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the catalog that a data contract describes.

    The contract is checked with the JSON schema of the standard. The command changes no
    installation. To use the new catalog, run 'streamflow --catalog FILE migrate'.

    Example: streamflow contract import churn.odcs.yaml --out catalog.toml
    """
    from streamflow.steps.data.data_contract import import_contract as step

    receipt = step(file, out, label=_split_label(label), force=force)
    show(receipt, as_json=as_json, text=_format_receipt)


def _split_label(label: str | None) -> tuple[str, str] | None:
    """Return table and column. Raises BadParameter when one of them is missing."""
    if label is None:
        return None
    table, _, column = label.partition(".")
    if not (table and column):
        raise typer.BadParameter(f"'{label}' is not TABLE.COLUMN", param_hint="--label")
    return table, column


def _format_receipt(receipt: ContractReceipt) -> str:
    lines = [f"  note: {note}" for note in receipt.notes]
    tables = count_of(receipt.tables, "table")
    features = count_of(receipt.features, "feature")
    lines.append(f"[OK] wrote {receipt.out}: {receipt.model} with {tables} and {features}")
    return "\n".join(lines)
