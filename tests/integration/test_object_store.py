"""The lake and drops in an object store that speaks S3: moto's server, in its own process.

It is no real object store: it checks no signature, keeps all in memory, and never slows down.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import boto3
import polars as pl
import pyarrow as pa
import pytest
from botocore.config import Config
from support.chain import JANUARY
from support.spark_servers import sail_server

from streamflow.errors import ContractViolation, LakeUnavailable, SnapshotDamaged
from streamflow.lake.digest_work import DigestedRevision, SplitRowGroups
from streamflow.lake.iceberg_tables import Lake
from streamflow.lake.revision_name import StoredRevision, tag_of
from streamflow.lake.row_groups import ReadRowGroups
from streamflow.platform import Platform
from streamflow.spark.mapping import make_rows
from streamflow.spark.session import open_engine
from streamflow.steps.data.ingest import ingest

BUCKET = "churn"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start the server and name it, with made-up credentials, by the variables of AWS."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-a-test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never-logged")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    options = {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    retries = Config(retries={"max_attempts": 60, "mode": "standard"})
    boto3.client("s3", config=retries).create_bucket(Bucket=BUCKET, **options)
    yield address
    server.kill()
    server.wait()


def test_revisions_lie_in_an_object_store(
    open_with: Callable[..., Platform], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = open_with(lake=f"s3://{BUCKET}/prefix/").lake
    frame = pl.DataFrame({"user_id": ["b", "a"], "hours": [1.5, None]})
    snapshot_ids = [write(lake, number, frame.head(number)) for number in (1, 2)]
    for number, snapshot_id in enumerate(snapshot_ids, start=1):
        assert read(lake, snapshot_id).equals(frame.head(number))
    kept = {"usage": {snapshot_ids[1]: tag_of(JANUARY, 2)}}
    unneeded = lake.count_unreferenced(kept)
    assert lake.remove_unreferenced(kept) == unneeded > 0 == lake.count_unreferenced(kept)
    assert read(lake, snapshot_ids[1]).equals(frame)
    (file,) = lake.list_files("usage", snapshot_ids[1])
    assert file.startswith(f"s3://{BUCKET}/prefix/usage-")
    client = boto3.client("s3", endpoint_url=endpoint)
    bucket, _, key = file.removeprefix("s3://").partition("/")
    client.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(SnapshotDamaged, match="a file is missing"):
        read(lake, snapshot_ids[1])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    unreachable = open_with(lake=f"s3://{BUCKET}/prefix").lake
    with pytest.raises(LakeUnavailable) as refused:
        read(unreachable, snapshot_ids[1])
    assert "never-logged" not in str(refused.value)


def test_workers_of_the_engine_read_an_object_store(
    open_with: Callable[..., Platform], endpoint: str
) -> None:
    lake = open_with(lake=f"s3://{BUCKET}/read").lake
    frame = pl.DataFrame({"user_id": ["b", "a"], "hours": [1.5, None]})
    row_groups = lake.list_row_groups("usage", write(lake, 1, frame))
    read_row_groups = ReadRowGroups(
        row_groups=row_groups,
        types=dict(frame.schema),
        names={"user_id": "k", "hours": "c0"},
        file_options=lake.file_options,
    )
    columns = {"k": pa.string(), "c0": pa.float64()}
    with sail_server() as remote, closing(open_engine(remote)) as engine:
        rows = engine.read(make_rows(engine, read_row_groups, len(row_groups), columns))
    assert rows.equals(frame.rename({"user_id": "k", "hours": "c0"}))
    types = {"user_id": "string", "hours": "float"}
    revision = DigestedRevision(key="user_id", types=types, shards=1, row_groups=tuple(row_groups))
    unreachable = {**lake.file_options, "s3.endpoint": "http://127.0.0.1:9"}
    (batch,) = SplitRowGroups(revisions=[revision], file_options=unreachable)(0)
    (row,) = batch.to_pylist()
    assert row_groups[0].path in row["unavailable"]
    assert "never-logged" not in row["unavailable"]


def write(lake: Lake, number: int, frame: pl.DataFrame) -> int:
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    revision = StoredRevision(
        table="usage", as_of=JANUARY, revision=number, digest="d", schema=table.schema
    )
    return lake.write(revision, table.to_batches())


def read(lake: Lake, snapshot_id: int) -> pl.DataFrame:
    batches = lake.read("usage", snapshot_id, ["user_id", "hours"])
    return pl.concat([pl.DataFrame(batch) for batch in batches])


def test_a_drop_in_an_object_store_is_loaded_like_a_folder(
    platform: Platform, simulated_drops: Path, tmp_path: Path, endpoint: str
) -> None:
    january = simulated_drops / "month_000"
    client = boto3.client("s3", endpoint_url=endpoint)
    for path in january.glob("*.csv"):
        client.upload_file(str(path), BUCKET, f"drops/month_000/{path.name}")
    lines: list[str] = []
    quiet = replace(platform, notify=lines.append)
    expected = ingest(platform, january, JANUARY)
    receipt = ingest(quiet, Path(f"s3://{BUCKET}/drops/month_000"), JANUARY)
    assert receipt == replace(expected, changed=False), "the same bytes"
    (users,) = [file for file in receipt.files if file.table == "users"]
    assert any(users.sha256 in line and "users.csv" in line for line in lines)
    assert not list((platform.home / "tmp").glob("scratch-*"))
    broken = (january / "users.csv").read_bytes().replace(b"7590-VHVEG,", b",", 1)
    client.put_object(Bucket=BUCKET, Key="drops/month_000/users.csv", Body=broken)
    with pytest.raises(ContractViolation, match=f"s3://{BUCKET}/drops/month_000/users.csv:2"):
        ingest(platform, Path(f"s3://{BUCKET}/drops/month_000"), JANUARY)
    with pytest.raises(ContractViolation, match=f"s3://{BUCKET}/nothing"):
        ingest(platform, Path(f"s3://{BUCKET}/nothing"), JANUARY)
