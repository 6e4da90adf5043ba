"""The files of a snapshot of an Iceberg table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.errors import SnapshotDamaged

if TYPE_CHECKING:
    from pyiceberg.table import Table


def list_files(table: Table, snapshot_id: int) -> list[str]:
    """Return the addresses of the Parquet files of a snapshot. Raises SnapshotDamaged."""
    snapshot = table.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise SnapshotDamaged(
            f"{table.location()}: the lake has no snapshot {snapshot_id}", state=""
        )
    paths = []
    for manifest in snapshot.manifests(table.io):
        paths += [entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)]
    return sorted(paths, key=_file_number)


def _file_number(path: str) -> int:
    """Return the number of a file of a snapshot: PyIceberg names them 00000-<number>-<uuid>."""
    return int(path.rpartition("/")[2].split("-")[1])
