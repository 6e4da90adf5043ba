"""Frozen revisions as snapshots of Iceberg tables.

Each frozen table T is the Iceberg table `streamflow.T`. Each revision is a snapshot of its own,
without a parent: it holds exactly the rows of the revision, in the order of their digest. A tag
such as `rev-2026-01-31-1` names it. The branch `main` is empty. The catalog lies in PostgreSQL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from streamflow.errors import SnapshotDamaged
from streamflow.lake.revision_name import MAIN, StoredRevision
from streamflow.lake.row_groups import BATCH_ROWS, RowGroup
from streamflow.lake.snapshot_files import list_files, list_row_groups, use_safe_decoder
from streamflow.lake.translated_errors import refuse_damaged_metadata, translate_errors

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import Table

T = TypeVar("T")
NAMESPACE = "streamflow"
# With the name of a table: the property of the namespace that has the folder of the table.
LOCATION_OF = "streamflow.location-of-"
# No bounds of columns stand beside the files: they would repeat keys of users in each manifest.
TABLE_PROPERTIES = {
    "write.metadata.metrics.default": "none",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "5",
    # A worker of an engine reads one row group at a time.
    "write.parquet.row-group-limit": "131072",
}


@dataclass(frozen=True, kw_only=True)
class Lake:
    """The Iceberg tables of one installation.

    Attributes:
        location: The folder or the prefix below which new tables are made; empty: none is made.
        catalog_url: The database of the catalog, for SQLAlchemy.
        file_options: Options of PyIceberg for the object store, without credentials.
    """

    location: str
    catalog_url: str = field(repr=False)
    file_options: Mapping[str, str] = field(default_factory=dict)
    # Each table that was read, by name. To open one again takes several requests.
    _tables: dict[str, Table] = field(repr=False, default_factory=dict)

    @cached_property
    def _catalog(self) -> SqlCatalog:
        from pyiceberg.catalog.sql import SqlCatalog

        use_safe_decoder()
        # PyIceberg warns at each commit that it deletes old metadata files.
        logging.getLogger("pyiceberg").setLevel(logging.ERROR)
        properties = {**self.file_options, "uri": self.catalog_url, "init_catalog_tables": "false"}
        return SqlCatalog(NAMESPACE, **properties)

    def close(self) -> None:
        """Close the connections of the catalog."""
        if "_catalog" in self.__dict__:
            self._catalog.close()

    def write(self, revision: StoredRevision, batches: Iterable[pa.RecordBatch]) -> int:
        """Write the rows of a revision and return the id of the snapshot that holds them.

        What has the tag of this revision already loses it: an interrupted command wrote it, or
        the revision has fewer rows since an erasure.
        """
        with translate_errors(f"the table {revision.table} of the lake"):
            table = self._open_for_writing(revision)
            if MAIN not in table.metadata.refs:
                # Iceberg wants the first snapshot on the branch main.
                table.append(revision.schema.empty_table())
            branch = f"writing-{uuid4().hex}"
            cast = (batch.select(revision.schema.names) for batch in batches)
            reader = pa.RecordBatchReader.from_batches(revision.schema, cast)
            summary = {
                "streamflow.as-of": f"{revision.as_of:%Y-%m-%d}",
                "streamflow.revision": str(revision.revision),
                "streamflow.digest": revision.digest,
            }
            table.append(reader, snapshot_properties=summary, branch=branch)
            snapshot_id = table.metadata.refs[branch].snapshot_id
            tagged = table.manage_snapshots().create_tag(snapshot_id, revision.tag)
            tagged.remove_branch(branch).commit()
            return int(snapshot_id)

    def _open_for_writing(self, revision: StoredRevision) -> Table:
        """Open the Iceberg table of a revision; create it, or add its new columns."""
        name = (NAMESPACE, revision.table)
        if self._catalog.table_exists(name):
            table = self._load_table(revision.table)
            missing = set(revision.schema.names) - set(table.schema().column_names)
            if missing:
                with table.update_schema() as update:
                    update.union_by_name(revision.schema)
            return table
        return self._create_table(revision)

    def _create_table(self, revision: StoredRevision) -> Table:
        self._catalog.create_namespace_if_not_exists(NAMESPACE)
        return self._catalog.create_table(
            (NAMESPACE, revision.table),
            revision.schema,
            location=self._choose_location(revision.table),
            properties=TABLE_PROPERTIES,
        )

    def _choose_location(self, table: str) -> str:
        """Choose the folder of a new table, and record it before anything lies there.

        If this command ends before the table is made, the next one makes it in the same folder.
        A different installation may use the same lake: each table gets a folder of its own.
        """
        name = f"{LOCATION_OF}{table}"
        lake = f"{self.location.rstrip('/')}/"
        recorded = str(self._catalog.load_namespace_properties(NAMESPACE).get(name, ""))
        if recorded.startswith(lake):
            return recorded
        location = f"{lake}{table}-{uuid4().hex[:12]}"
        self._catalog.update_namespace_properties(NAMESPACE, updates={name: location})
        return location

    def _load_table(self, table: str) -> Table:
        """Read the newest state of an Iceberg table, and keep it for the next reader."""
        from pyiceberg.exceptions import NoSuchTableError

        try:
            with refuse_damaged_metadata(f"the table {table} of the lake"):
                self._tables[table] = self._catalog.load_table((NAMESPACE, table))
        except NoSuchTableError as exc:
            raise SnapshotDamaged(f"the lake has no table {table}", state="") from exc
        return self._tables[table]

    def _find_table(self, table: str, snapshot_id: int) -> Table:
        """Return a table that has a snapshot, or its newest state."""
        loaded = self._tables.get(table)
        if loaded is not None and loaded.snapshot_by_id(snapshot_id) is not None:
            return loaded
        return self._load_table(table)

    def list_files(self, table: str, snapshot_id: int) -> list[str]:
        """Return the addresses of the Parquet files of a snapshot, in the order of their rows.

        Raises:
            SnapshotDamaged: the lake does not have the table or the snapshot.
            LakeUnavailable: the place of the lake cannot be reached.
        """
        with translate_errors(f"the table {table} of the lake"):
            return list_files(self._find_table(table, snapshot_id), snapshot_id)

    def list_row_groups(self, table: str, snapshot_id: int) -> list[RowGroup]:
        """Return the row groups of the files of a snapshot, for workers that read them one by one.

        Raises:
            SnapshotDamaged: the lake does not have the table or the snapshot.
            LakeUnavailable: the place of the lake cannot be reached.
        """
        with translate_errors(f"the table {table} of the lake"):
            return list_row_groups(self._find_table(table, snapshot_id), snapshot_id)

    def read(
        self, table: str, snapshot_id: int, columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        """Read columns of a snapshot in batches, in the order in which the rows were written.

        Raises:
            SnapshotDamaged: a file is missing, or it is not what was written.
            LakeUnavailable: the place of the lake cannot be reached.
        """
        paths = self.list_files(table, snapshot_id)
        file_io = self._find_table(table, snapshot_id).io
        for path in paths:
            with translate_errors(path), file_io.new_input(path).open() as file:
                yield from pq.ParquetFile(file).iter_batches(BATCH_ROWS, columns=list(columns))

    def remove_unreferenced(self, snapshots: Mapping[str, Mapping[int, str]]) -> int:
        """Remove every snapshot that no revision names, with its files.

        Files that no snapshot names are removed too. Nobody may write into the lake meanwhile.

        Args:
            snapshots: table -> the snapshots to keep, by id, each with its tag.

        Returns:
            how many files were removed.
        """
        from streamflow.lake.unreferenced_files import remove_unreferenced

        return sum(self._for_each_table(snapshots, remove_unreferenced))

    def count_unreferenced(self, snapshots: Mapping[str, Mapping[int, str]]) -> int:
        """Count the files that `remove_unreferenced` would remove."""
        from streamflow.lake.unreferenced_files import find_unreferenced

        return sum(map(len, self._for_each_table(snapshots, find_unreferenced)))

    def _for_each_table(
        self,
        snapshots: Mapping[str, Mapping[int, str]],
        work: Callable[[Table, Mapping[int, str]], T],
    ) -> Iterator[T]:
        for name in self._catalog.list_tables(NAMESPACE):
            with translate_errors(f"the table {name[-1]} of the lake"):
                table = self._load_table(name[-1])
                result = work(table, snapshots.get(name[-1], {}))
            yield result
