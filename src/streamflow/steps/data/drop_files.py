"""Find the files of a drop in its folder, by the names that the catalog declares."""

from __future__ import annotations

from pathlib import Path

from streamflow.catalog import Catalog
from streamflow.errors import ContractViolation
from streamflow.files.remote_drops import find_address
from streamflow.files.source_files import ENDINGS

NO_FILE = "none"  # what a message says where a file is missing


def find_delivered_tables(folder: Path, catalog: Catalog) -> tuple[str, ...]:
    """Return the tables whose files are in the folder.

    These are all tables, or all tables except that of the labels, or that of the labels alone.

    Raises:
        ContractViolation: the folder or a file that the drop needs is missing.
    """
    require_folder(folder)
    obstacles = _find_obstacles(folder, catalog)
    delivered = [table for table in catalog.frozen_tables if table not in obstacles]
    only_labels = delivered == [catalog.label.table]
    required = () if only_labels else catalog.feature_tables
    lines = [
        f"{folder / catalog.file(table)}: expected a file of the drop, got {obstacle}"
        for table, obstacle in obstacles.items()
        if obstacle != NO_FILE or table in required
    ]
    if lines:
        hint = "(none of the catalog's files is in this folder: is it the right folder?)"
        hints = [] if delivered else [hint]
        raise ContractViolation(
            "\n".join([*lines, *hints]),
            violations=lines,
            remedy="add the missing files and run 'streamflow ingest' again.",
        )
    return tuple(delivered)


def require_folder(folder: Path) -> None:
    """Raise ContractViolation unless `folder` is a folder, or the address of one elsewhere."""
    if folder.is_dir() or find_address(folder) is not None:
        return
    problem = "this is a file" if folder.exists() else "no such folder"
    raise ContractViolation(
        f"{folder}: {problem}",
        remedy="name the folder that holds the files of the drop.",
    )


def _find_obstacles(folder: Path, catalog: Catalog) -> dict[str, str]:
    """Return table -> what is in the place of its file, for each table without a file."""
    obstacles = {}
    for table in catalog.frozen_tables:
        obstacle = _describe_obstacle(folder / catalog.file(table), catalog.section(table))
        if obstacle:
            obstacles[table] = obstacle
    return obstacles


def _describe_obstacle(path: Path, section: str) -> str:
    """Say what stands in the place of a file; return an empty text when it is a file."""
    if path.is_file():
        return ""
    if path.is_dir():
        return "a folder"
    if path.is_symlink():
        return f"a link to {path.readlink()}, which does not exist"
    namesakes = sorted(
        neighbour.name for neighbour in path.parent.iterdir() if _is_namesake(neighbour, path)
    )
    if namesakes:
        return (
            f"{' and '.join(namesakes)} "
            f'(declare it in the catalog: file = "{namesakes[0]}" in [{section}])'
        )
    return NO_FILE


def _is_namesake(neighbour: Path, path: Path) -> bool:
    """Return whether a file has the same name, but for its case and its ending."""
    stems = [candidate.name.lower().split(".")[0] for candidate in (neighbour, path)]
    is_table_file = neighbour.name.lower().endswith(ENDINGS)
    return stems[0] == stems[1] and is_table_file and neighbour.is_file()
