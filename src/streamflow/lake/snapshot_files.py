"""The files of a snapshot of an Iceberg table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.errors import SnapshotDamaged
from streamflow.lake.row_groups import RowGroup

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


def list_files(table: Table, snapshot_id: int) -> list[str]:
    """Return the addresses of the Parquet files of a snapshot. Raises SnapshotDamaged."""
    return [file.file_path for file in _list_data_files(table, snapshot_id)]


def list_row_groups(table: Table, snapshot_id: int) -> list[RowGroup]:
    """Return the row groups of the files of a snapshot. Raises SnapshotDamaged."""
    row_groups = []
    for file in _list_data_files(table, snapshot_id):
        count = len(file.split_offsets or ())
        row_groups += [
            RowGroup(path=file.file_path, number=number, count=count) for number in range(count)
        ]
    return row_groups


def _list_data_files(table: Table, snapshot_id: int) -> list[DataFile]:
    """Return what the manifests say of the files of a snapshot, in the order of their rows."""
    snapshot = table.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise SnapshotDamaged(
            f"{table.location()}: the lake has no snapshot {snapshot_id}", state=""
        )
    files = []
    for manifest in snapshot.manifests(table.io):
        files += [entry.data_file for entry in manifest.fetch_manifest_entry(table.io)]
    return sorted(files, key=_file_number)


def _file_number(file: DataFile) -> int:
    """Return the number of a file of a snapshot: PyIceberg names them 00000-<number>-<uuid>."""
    return int(file.file_path.rpartition("/")[2].split("-")[1])
