"""Find and remove what interrupted commands, erasures and pruned revisions left in a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow.fs as pafs
from pyiceberg.io.pyarrow import PyArrowFileIO

from streamflow.lake.revision_name import MAIN
from streamflow.lake.snapshot_files import list_files

if TYPE_CHECKING:
    from pyiceberg.table import Table


def find_unreferenced(table: Table, snapshots: Mapping[int, str]) -> list[str]:
    """Return the addresses of the files that no snapshot of `snapshots` needs.

    Args:
        table: the Iceberg table
        snapshots: the snapshots to keep, by id, each with its tag

    Raises:
        SnapshotDamaged: a snapshot to keep is not there. Nothing is known about the files then.
    """
    needed = {_last_part(path) for path in _list_metadata_files(table)}
    for snapshot_id in [*snapshots, *_find_main(table)]:
        needed |= {_last_part(path) for path in list_files(table, snapshot_id)}
        snapshot = table.snapshot_by_id(snapshot_id)
        assert snapshot is not None
        needed.add(_last_part(snapshot.manifest_list))
        needed |= {_last_part(manifest.manifest_path) for manifest in snapshot.manifests(table.io)}
    return [path for path in _list_stored_files(table) if _last_part(path) not in needed]


def remove_unreferenced(table: Table, snapshots: Mapping[int, str]) -> int:
    """Remove the snapshots of a table that are not in `snapshots`, then every file that none needs.

    The arguments are those of `find_unreferenced`.

    Returns:
        how many files were removed.
    """
    unneeded_files = find_unreferenced(table, snapshots)
    _set_tags(table, snapshots)
    needed_ids = {*snapshots, *_find_main(table)}
    unneeded = {snapshot.snapshot_id for snapshot in table.snapshots()} - needed_ids
    if unneeded:
        table.maintenance.expire_snapshots().by_ids(sorted(unneeded)).commit()
    # A command that lost its lock without knowing it may have written since the list was made.
    table.refresh()
    newest_files = {_last_part(path) for path in _list_metadata_files(table)}
    removed = [path for path in unneeded_files if _last_part(path) not in newest_files]
    for path in removed:
        table.io.delete(path)
    return len(removed)


def _find_main(table: Table) -> list[int]:
    """Return the id of the empty snapshot of the branch main, if there is one."""
    main = table.metadata.refs.get(MAIN)
    return [main.snapshot_id] if main else []


def _set_tags(table: Table, snapshots: Mapping[int, str]) -> None:
    """Let every tag name the snapshot that PostgreSQL names, and remove all other references."""
    snapshot_of_tag = {tag: snapshot_id for snapshot_id, tag in snapshots.items()}
    update = table.manage_snapshots()
    is_changed = False
    for name, reference in table.metadata.refs.items():
        if name == MAIN or snapshot_of_tag.get(name) == reference.snapshot_id:
            continue
        is_changed = True
        if name in snapshot_of_tag:
            update = update.create_tag(snapshot_of_tag[name], name)
        else:
            update = update.remove_tag(name)
    if is_changed:
        update.commit()


def _list_metadata_files(table: Table) -> list[str]:
    """Return the addresses of the newest metadata file and of the former ones that it names.

    A command that ends before the commit of the catalog leaves a file that none names.
    """
    return [table.metadata_location, *(log.metadata_file for log in table.metadata.metadata_log)]


def _list_stored_files(table: Table) -> list[str]:
    """Return the addresses of the files that lie in a table's folder."""
    file_io = table.io
    assert isinstance(file_io, PyArrowFileIO)
    scheme, host, path = file_io.parse_location(table.location())
    file_system = file_io.fs_by_scheme(scheme, host)
    selector = pafs.FileSelector(path, recursive=True)
    return [
        f"{scheme}://{info.path}" for info in file_system.get_file_info(selector) if info.is_file
    ]


def _last_part(path: str) -> str:
    """Return the name of a file; PyIceberg gives each file a name that no different file has."""
    return path.rpartition("/")[2]
