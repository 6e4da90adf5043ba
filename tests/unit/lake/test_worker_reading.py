"""What workers of the engine read in files of the lake, and what they say of damaged ones."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from streamflow.core.data.digest import digest_frame, sort_for_digest
from streamflow.errors import SnapshotDamaged
from streamflow.lake.digest_work import (
    NO_SHARD,
    DigestedRevision,
    DigestShards,
    SplitRowGroups,
    read_digest,
)
from streamflow.lake.row_groups import ReadRowGroups, RowGroup, read_row_group

TYPES = {"user": "string", "fee": "float", "Fee": "int", "since": "date"}
ROWS = pl.DataFrame(
    {
        "user": [f"u{number}" for number in range(500)],
        "fee": [number / 7 if number % 5 else None for number in range(500)],
        "Fee": [number * 2**40 for number in range(500)],
        "since": [None] * 500,
    },
    schema={"user": pl.String, "fee": pl.Float64, "Fee": pl.Int64, "since": pl.Date},
)
ROWS_PER_GROUP = 130


def write(rows: pl.DataFrame, path: Path) -> None:
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table, path, row_group_size=ROWS_PER_GROUP)


def write_row_groups(path: Path, rows: pl.DataFrame = ROWS) -> tuple[RowGroup, ...]:
    ordered = sort_for_digest(rows, "user").select(rows.columns)
    write(ordered, path)
    count = pq.ParquetFile(path).num_row_groups
    return tuple(RowGroup(path=str(path), number=n, count=count) for n in range(count))


def compute(*revisions: DigestedRevision) -> pl.DataFrame:
    """Do what the engine does: split, bring the runs of each shard together, digest."""
    split = SplitRowGroups(revisions=revisions, file_options={})
    batches = [batch for number in range(split.count) for batch in split(number)]
    random.Random(3).shuffle(batches)
    runs = pl.concat([pl.DataFrame(batch) for batch in batches])
    together = runs.group_by("revision", "shard").agg(
        pl.col("run").drop_nulls().alias("runs"), pl.col("damage", "unavailable").max()
    )
    return DigestShards(revisions=revisions)(together)


def revision_of(row_groups: tuple[RowGroup, ...], shards: int = 4) -> DigestedRevision:
    return DigestedRevision(key="user", types=TYPES, shards=shards, row_groups=row_groups)


def test_the_digest_of_the_workers_is_that_of_the_rows(tmp_path: Path) -> None:
    both = [
        revision_of(write_row_groups(tmp_path / "all"), shards=4),
        revision_of(write_row_groups(tmp_path / "some", ROWS.head(70)), shards=1),
    ]
    answers = compute(*both)
    for number, rows in enumerate((ROWS, ROWS.head(70))):
        digest = read_digest(both[number], answers.filter(pl.col("revision") == number))
        assert digest == digest_frame(rows, key="user", types=TYPES)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("missing", "a file is missing"),
        ("cut", "it is not what was written"),
        ("another row group", "row groups and not"),
        ("no key", "it has a row without user"),
        ("type", "it has different types"),
    ],
)
def test_a_damaged_file_is_described(tmp_path: Path, damage: str, expected: str) -> None:
    path = tmp_path / "file.parquet"
    row_groups = write_row_groups(path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        changed = {
            "another row group": pl.concat([ROWS, ROWS]),
            "no key": ROWS.with_columns(user=pl.lit(None, pl.String)),
            "type": ROWS.with_columns(fee=pl.lit("free")),
        }[damage]
        write(changed, path)
    answers = compute(revision_of(row_groups))
    damages = answers.filter(pl.col("shard") == NO_SHARD)["damage"]
    assert all(expected in text for text in damages)
    assert len(damages) > 0
    if damage in ("missing", "cut", "type"):
        with pytest.raises(SnapshotDamaged, match=expected):
            list(read_row_group(row_groups[0], dict(ROWS.schema), {}))


def test_columns_are_read_by_name_and_a_later_one_is_null(tmp_path: Path) -> None:
    row_groups = write_row_groups(tmp_path / "file.parquet")
    types = {"user": pl.String, "Fee": pl.Int64, "later": pl.Boolean}
    names = {"user": "k", "Fee": "c0", "later": "c1"}
    read = ReadRowGroups(row_groups=row_groups, types=types, names=names, file_options={})
    batches = [pl.DataFrame(batch) for number in range(len(row_groups)) for batch in read(number)]
    rows = pl.concat(batches).sort("c0")
    assert rows.columns == ["k", "c0", "c1"]
    assert rows["k"].equals(ROWS["user"], check_names=False)
    assert rows["c0"].equals(ROWS["Fee"], check_names=False)
    assert rows["c1"].null_count() == len(ROWS)
