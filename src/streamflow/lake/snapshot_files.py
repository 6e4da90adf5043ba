"""The files of a snapshot of an Iceberg table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.errors import SnapshotDamaged
from streamflow.lake.row_groups import RowGroup
from streamflow.lake.translated_errors import refuse_damaged_metadata

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


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
    with refuse_damaged_metadata(f"{table.location()}: a manifest of the snapshot {snapshot_id}"):
        files = []
        for manifest in snapshot.manifests(table.io):
            files += [entry.data_file for entry in manifest.fetch_manifest_entry(table.io)]
        _require_count(snapshot, len(files))
        return sorted(files, key=_file_number)


def _require_count(snapshot: Snapshot, count: int) -> None:
    """Raise ValueError if a snapshot has a different number of files than its summary says.

    Of a file that is cut off, PyIceberg says that it has no more entries.
    """
    summary = snapshot.summary
    expected_count = summary.get("total-data-files") if summary else None
    if expected_count is not None and int(expected_count) != count:
        raise ValueError(f"it names {count} files and not {expected_count}")


def use_safe_decoder() -> None:
    """Let PyIceberg read metadata with its decoder in Python.

    Its faster one, in C, reads beyond the end of a damaged file, which can end the process.
    PyIceberg has no public place for this. Our manifests name a file or two.
    """
    from pyiceberg.avro import file as avro_file
    from pyiceberg.avro.decoder import StreamingBinaryDecoder

    avro_file.new_decoder = StreamingBinaryDecoder  # type: ignore[assignment,attr-defined]


def _file_number(file: DataFile) -> int:
    """Return the number of a file of a snapshot: PyIceberg names them 00000-<number>-<uuid>."""
    return int(file.file_path.rpartition("/")[2].split("-")[1])
