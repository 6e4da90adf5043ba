"""A drop in a different kind of file, or in a format that is declared anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
from support.chain import JANUARY, copy_drop, load

from streamflow.catalog import DEFAULT_PATH, Catalog, parse_catalog
from streamflow.core.data.contract import value_expression
from streamflow.platform import Platform
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.training.training_set import training_set


def declared(files: str, *, endings: str = ".csv") -> Catalog:
    """Our catalog, with files of a different ending and formats of their own."""
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    tables = parse_catalog(text, origin="catalog").tables
    names = "".join(f'[tables.{name}]\nfile = "{name}{endings}"\n' for name in tables)
    return parse_catalog(f"{text}\n{names}{files}", origin="catalog.toml")


def write_parquet(drop: Path, folder: Path, catalog: Catalog) -> Path:
    """Write the files of a drop as typed Parquet."""
    folder.mkdir()
    for table in catalog.tables:
        text = pl.read_csv(drop / f"{table}.csv", infer_schema=False)
        typed = [
            value_expression(pl.col(name), column.type).alias(name)
            for name, column in catalog.file_columns(table).items()
        ]
        text.select(typed).write_parquet(folder / f"{table}.parquet")
    return folder


def test_a_drop_in_parquet_freezes_the_rows_of_the_same_drop_in_csv(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    digest = training_set(platform, JANUARY).digest
    folder = write_parquet(simulated_drops / "month_000", tmp_path / "parquet", platform.catalog)
    typed = replace(platform, catalog=declared("", endings=".parquet"))
    assert ingest(typed, folder, JANUARY).changed
    receipt = snapshot(typed, JANUARY)
    assert not [table for table in receipt.tables if table.created]
    assert training_set(typed, JANUARY).digest == digest


def test_the_same_bytes_are_loaded_again_when_their_format_is_declared_anew(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    """ "1.500" is one and a half in strict CSV, and fifteen hundred with thousands = "."."""
    numbers = {name: pl.lit("1.500") for name in ("monthly_fee", "total_paid")}
    drop = simulated_drops / "month_000"
    folder = copy_drop(drop, tmp_path / "drop", subscriptions=numbers)
    german = '[files.subscriptions]\ndecimal = ","\nthousands = "."\n'
    renewed = replace(platform, catalog=declared(german))
    for reader, fee in ((platform, 1.5), (renewed, 1500.0), (platform, 1.5)):
        assert ingest(reader, folder, JANUARY).changed
        fees = reader.connection.execute("SELECT DISTINCT monthly_fee FROM raw.subscriptions")
        assert fees.fetchall() == [(fee,)]
        assert not ingest(reader, folder, JANUARY).changed
