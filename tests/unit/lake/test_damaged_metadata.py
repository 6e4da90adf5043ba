"""What the lake says of damaged files: of the metadata of PyIceberg, and of its Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from streamflow.errors import LakeUnavailable, SnapshotDamaged
from streamflow.lake.iceberg_tables import Lake
from streamflow.lake.revision_name import StoredRevision
from streamflow.lake.translated_errors import translate_errors

FRAME = pl.DataFrame({"user_id": ["a", "b", "c"], "fee": [1.5, 2.5, None]})
TAG = "rev-2026-01-31-1"
MANIFEST_LIST = "metadata/snap-*.avro"
MANIFEST = "metadata/*-m0.avro"
METADATA = "metadata/*.metadata.json"
SYNC_BYTES = 16  # of Avro: they end the header, and each block


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """Return a lake whose catalog lies in a file."""
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    SqlCatalog("streamflow", uri=url).close()
    with closing(Lake(location=(tmp_path / "lake").as_uri(), catalog_url=url)) as opened:
        yield opened


def write(lake: Lake) -> int:
    """Write the frame as a revision, and return its snapshot."""
    table = FRAME.to_arrow(compat_level=pl.CompatLevel.oldest())
    revision = StoredRevision(
        table="users",
        as_of=datetime(2026, 1, 31),
        revision=1,
        digest="of these rows",
        schema=table.schema,
    )
    return lake.write(revision, table.to_batches())


def read(lake: Lake, snapshot_id: int) -> pl.DataFrame:
    """Read the revision with a lake that has not read anything yet."""
    with closing(Lake(location=lake.location, catalog_url=lake.catalog_url)) as fresh:
        batches = [pl.DataFrame(b) for b in fresh.read("users", snapshot_id, FRAME.columns)]
        assert fresh.count_unreferenced({"users": {snapshot_id: TAG}}) == 0
        return pl.concat(batches)


def find_newest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(f"lake/users-*/{pattern}"), key=lambda path: path.stat().st_mtime_ns)


def cut_behind_header(content: bytes) -> bytes:
    """Return a file of Avro without its blocks: the marks of header and blocks are the same."""
    sync = content[-SYNC_BYTES:]
    return content[: content.index(sync) + SYNC_BYTES]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in the header": lambda content: content[:100],
    "cut in a block": lambda content: content[:-40],
    "no blocks": cut_behind_header,
    "other bytes": lambda content: b"\x97" * len(content),
    # The first entry of its header has a name of 2^30 bytes, says Avro.
    "a name beyond the end": lambda _: bytes.fromhex("4f626a01 02 8080808008"),
}


@pytest.mark.parametrize("pattern", [MANIFEST_LIST, MANIFEST])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_is_named_and_no_file_counts_as_unneeded(
    lake: Lake, tmp_path: Path, pattern: str, damage: str
) -> None:
    snapshot_id = write(lake)
    assert read(lake, snapshot_id).equals(FRAME)
    path = find_newest(tmp_path, pattern)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(SnapshotDamaged, match=f"a manifest of the snapshot {snapshot_id}"):
        read(lake, snapshot_id)
    with pytest.raises(SnapshotDamaged, match=f"a manifest of the snapshot {snapshot_id}"):
        lake.remove_unreferenced({"users": {snapshot_id: TAG}})
    assert find_newest(tmp_path, "data/*.parquet").exists()


@pytest.mark.parametrize("damage", ["empty", "cut in the header", "other bytes"])
def test_damaged_metadata_of_a_table_is_named(lake: Lake, tmp_path: Path, damage: str) -> None:
    snapshot_id = write(lake)
    path = find_newest(tmp_path, METADATA)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(SnapshotDamaged, match="the table users of the lake: it is not what was"):
        read(lake, snapshot_id)


@pytest.mark.parametrize(
    "error",
    [
        OSError("ZSTD decompression failed: Data corruption detected"),
        OSError("Unexpected end of stream"),
        OSError("Couldn't deserialize thrift: No more data to read."),
    ],
)
def test_what_arrow_says_of_a_page_is_damage(error: OSError) -> None:
    with pytest.raises(SnapshotDamaged, match="it is not what was written"), translate_errors("x"):
        raise error


def test_a_page_that_cannot_be_unpacked_is_damage(lake: Lake, tmp_path: Path) -> None:
    snapshot_id = write(lake)
    path = find_newest(tmp_path, "data/*.parquet")
    content = bytearray(path.read_bytes())
    frame_of_zstd = content.index(b"\x28\xb5\x2f\xfd")
    content[frame_of_zstd : frame_of_zstd + 8] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(SnapshotDamaged, match="it is not what was written"):
        read(lake, snapshot_id)


@pytest.mark.parametrize(
    "error",
    [
        OSError("When reading information: AWS Error NETWORK_CONNECTION during HeadObject"),
        OSError(5, "Input/output error"),
        PermissionError("Cannot open file, access denied: s3://bucket/file"),
    ],
)
def test_an_error_of_the_place_is_no_damage(error: OSError) -> None:
    with pytest.raises(LakeUnavailable), translate_errors("x"):
        raise error
