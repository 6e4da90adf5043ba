"""contract: write a catalog as a file of the Open Data Contract Standard, or read such a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from streamflow.catalog import Catalog
from streamflow.core.data.catalog_definitions import (
    catalog_from_values,
    catalog_to_values,
    values_to_toml,
)
from streamflow.core.onboarding.contract_export import catalog_to_contract
from streamflow.core.onboarding.contract_import import ImportedContract, contract_to_values
from streamflow.errors import CatalogInvalid
from streamflow.files.data_contracts import read_contract, write_contract
from streamflow.files.text_files import refuse_existing, write_text

REMEDY = "Correct the contract and run the command again."


@dataclass(frozen=True, kw_only=True)
class ContractReceipt:
    """What was written.

    tables    how many tables and files of events the catalog has
    features  how many features it has
    notes     what the contract says and the catalog cannot say
    """

    out: Path
    model: str
    tables: int
    features: int
    notes: tuple[str, ...] = ()


def export_contract(
    catalog: Catalog, out: Path, *, version: str, force: bool = False
) -> ContractReceipt:
    """Write a catalog as a contract.

    Args:
        catalog: what is written.
        out: the YAML file.
        version: of the contract.
        force: replace `out` if it exists.

    Raises:
        StreamflowError: `out` exists, and `force` is False.
    """
    write_contract(catalog_to_contract(catalog, version=version), out, replace=force)
    return _describe(catalog, out)


def import_contract(
    file: Path, out: Path, *, label: tuple[str, str] | None = None, force: bool = False
) -> ContractReceipt:
    """Write the catalog that a contract describes. Nothing of an installation is changed.

    Args:
        file: the contract.
        out: the catalog.
        label: table and column of the label, if the contract does not name them.
        force: replace `out` if it exists.

    Raises:
        CatalogInvalid: the file is no contract of the standard, or lacks what a catalog needs.
        StreamflowError: `out` exists, and `force` is False.
    """
    if not force:
        refuse_existing(out)
    try:
        imported = contract_to_values(read_contract(file), label=label)
        catalog = _make_catalog(file, imported)
    except ValueError as exc:
        raise CatalogInvalid(f"{file}: {exc}", remedy=REMEDY) from exc
    write_text(out, values_to_toml(catalog_to_values(catalog)), replace=force)
    return _describe(catalog, out, imported.notes)


def _make_catalog(file: Path, imported: ImportedContract) -> Catalog:
    """Make the catalog. Raises CatalogInvalid with every mistake."""
    try:
        return catalog_from_values(imported.values)
    except ValidationError as exc:
        mistakes = []
        for error in exc.errors(include_url=False):
            position = ".".join(map(str, error["loc"]))
            message = error["msg"].removeprefix("Value error, ")
            mistakes.append(f"{file}: {position}: {message}".replace(": : ", ": "))
        raise CatalogInvalid("\n".join(mistakes), violations=mistakes, remedy=REMEDY) from exc


def _describe(catalog: Catalog, out: Path, notes: tuple[str, ...] = ()) -> ContractReceipt:
    return ContractReceipt(
        out=out,
        model=catalog.model,
        tables=len(catalog.frozen_tables),
        features=len(catalog.features),
        notes=notes,
    )
