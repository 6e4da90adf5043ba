# ruff: noqa: S608
# The SQL has only names that the session makes.
"""The rows of revisions on the engine.

Rows of the lake are read by the workers, straight from its files. Rows that PostgreSQL alone has
go through this process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from streamflow.core.data.contract import polars_type
from streamflow.core.training.row_sources import DatedRevision
from streamflow.lake.row_groups import ARROW_TYPES, ReadRowGroups
from streamflow.platform import Platform
from streamflow.spark.mapping import make_rows
from streamflow.spark.point_in_time import KEY, DropRevision, SentRevisions, column_at
from streamflow.spark.session import SparkEngine
from streamflow.steps.data import frozen_reading
from streamflow.steps.data.loaded_rows import read_provenance
from streamflow.steps.data.worker_installation import READING_PACKAGES, check_installation
from streamflow.warehouse import lake_revisions
from streamflow.warehouse.lake_revisions import INSTANT, LakeRevision

FrameTypes = Mapping[str, Any]  # column -> its type in a frame
NUMBER = "__revision"  # of the revision of a row, among those of a query
REVISION_TYPES: dict[str, Any] = {"as_of": INSTANT, "revision": pl.Int32, "known_at": INSTANT}


class EngineRows:
    """Reads revisions of an installation on the engine."""

    def __init__(self, platform: Platform, engine: SparkEngine) -> None:
        """Look up which revisions lie in the lake; no row is read yet."""
        self._platform = platform
        self._engine = engine
        self._entity = platform.catalog.entity
        self._in_lake = lake_revisions.revisions_in_lake(platform.connection)
        self._sent = SentRevisions(
            engine,
            self._entity.key,
            self._read_in_database,
            engine.sent_tables,
        )

    def find_table(self, table: str, columns: FrameTypes, revision: DropRevision) -> str:
        """Return the table on the engine that has the key and some columns of a revision.

        Args:
            table: the table.
            columns: column -> its type in a frame.
            revision: as_of and number of the revision.

        Raises:
            SnapshotDamaged: the lake does not have the table or the snapshot.
        """
        in_lake = self._in_lake.get((table, *revision))
        if in_lake is None:
            return self._sent.find_table(table, columns, revision)
        identity = (table, tuple(columns), revision, in_lake.snapshot_id)
        tables = self._engine.sent_tables
        if identity not in tables:
            tables[identity] = self._read_by_workers(in_lake, columns)
        return tables[identity]

    def _read_by_workers(self, revision: LakeRevision, columns: FrameTypes) -> str:
        """Let the workers read columns of a revision; return the table of the rows."""
        key = self._entity.key
        types = {key: polars_type(self._entity.type), **columns}
        names = {key: KEY, **_name_columns(columns)}
        lake = self._platform.lake
        row_groups = lake.list_row_groups(revision.table, revision.snapshot_id)
        if not row_groups:
            no_rows = pl.DataFrame(schema=types)
            return self._engine.send(no_rows.rename(names))
        work = ReadRowGroups(
            row_groups=row_groups,
            types=types,
            names=names,
            file_options=lake.file_options,
        )
        arrow_types = {}
        for name, frame_type in types.items():
            arrow_types[names[name]] = ARROW_TYPES[frame_type]
        checked_work = check_installation(work, READING_PACKAGES)
        rows = make_rows(self._engine, checked_work, len(row_groups), arrow_types)
        return self._engine.name(rows)

    def read_rows(
        self,
        table: str,
        columns: Iterable[str],
        revisions: Iterable[DropRevision],
    ) -> pl.DataFrame:
        """Read columns of some revisions, as `frozen_reading.read_rows` does."""
        names = list(columns)
        frames = []
        for revision in revisions:
            if (table, *revision) in self._in_lake:
                rows = self._fetch(table, names, revision)
            else:
                rows = self._read_in_database(table, names, revision)
            frames.append(rows)
        return pl.concat(frames)

    def _read_in_database(
        self,
        table: str,
        columns: list[str],
        revision: DropRevision,
    ) -> pl.DataFrame:
        return frozen_reading.read_rows(self._platform, table, columns, [revision])

    def _fetch(self, table: str, columns: list[str], revision: DropRevision) -> pl.DataFrame:
        """Read columns of a revision of the lake through the engine."""
        declared = self._platform.catalog.columns(table)
        types = {}
        for name in columns:
            if name != self._entity.key:
                types[name] = polars_type(declared[name].type)
        source = self.find_table(table, types, revision)
        rows = self._read_named(f"SELECT * FROM {source}", types)
        as_of = pl.lit(revision[0]).cast(INSTANT).alias("as_of")
        return rows.select(as_of, *columns)

    def _read_named(self, statement: str, columns: Iterable[str]) -> pl.DataFrame:
        """Compute rows, and give their columns the names that the catalog has."""
        rows = self._engine.read(self._engine.query(statement))
        names = {name_on_engine: name for name, name_on_engine in _name_columns(columns).items()}
        return rows.rename({KEY: self._entity.key, **names})

    def read_provenance(
        self,
        table: str,
        types: Mapping[str, str],
        revisions: Sequence[DatedRevision],
        keys: pl.Series | None,
    ) -> pl.DataFrame:
        """Read frozen rows with their revision, as `loaded_rows.read_provenance` does.

        Args:
            table: the table.
            types: the columns to read, and their logical types.
            revisions: the revisions to read.
            keys: the keys to read; None: all keys.
        """
        by_workers: list[DatedRevision] = []
        in_database: list[DatedRevision] = []
        for revision in revisions:
            is_in_lake = (table, *revision[:2]) in self._in_lake
            (by_workers if is_in_lake else in_database).append(revision)
        frames = []
        if by_workers:
            frames.append(self._fetch_provenance(table, types, by_workers, keys))
        if in_database or not by_workers:
            frames.append(read_provenance(self._platform, table, types, in_database, keys))
        return pl.concat(frames)

    def _fetch_provenance(
        self,
        table: str,
        types: Mapping[str, str],
        revisions: Sequence[DatedRevision],
        keys: pl.Series | None,
    ) -> pl.DataFrame:
        """Read rows of the lake; the engine selects those of the keys."""
        frame_types = {name: polars_type(kind) for name, kind in types.items()}
        selects = []
        for number, revision in enumerate(revisions):
            source = self.find_table(table, frame_types, revision[:2])
            selects.append(f"SELECT CAST({number} AS INT) AS {NUMBER}, * FROM {source}")
        statement = " UNION ALL ".join(selects)
        if keys is not None:
            asked_keys = self._engine.send(pl.DataFrame({KEY: keys.unique()}))
            statement = (
                f"SELECT history.* FROM ({statement}) AS history"
                f" LEFT SEMI JOIN {asked_keys} AS asked ON asked.{KEY} = history.{KEY}"
            )
        rows = self._read_named(statement, types)
        dates = pl.DataFrame(revisions, schema=REVISION_TYPES, orient="row")
        numbers = pl.Series(NUMBER, range(len(revisions)), pl.Int32)
        dated_rows = rows.join(dates.with_columns(numbers), on=NUMBER)
        return dated_rows.select(*REVISION_TYPES, self._entity.key, *types)


def _name_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return column -> its name on the engine."""
    return {name: column_at(number) for number, name in enumerate(columns)}
