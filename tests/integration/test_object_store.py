"""The lake and drops in an object store that speaks S3: moto's server, in its own process.

It is no real object store: it checks no signature, keeps all in memory, and never slows down.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY
from support.states import TWO_MONTHS

from streamflow.errors import ContractViolation, LakeUnavailable, SnapshotDamaged
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.doctor.contents import check_frozen_rows, check_lake
from streamflow.steps.upkeep.doctor.finding import State
from streamflow.steps.upkeep.move_to_lake import move_to_lake

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


@pytest.mark.state(TWO_MONTHS)
def test_a_lake_in_an_object_store(
    cluster: Cluster,
    installation: str,
    tmp_path: Path,
    endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = {**TWO_MONTHS.settings, "lake": f"s3://{BUCKET}/prefix"}
    settings = cluster.settings(installation, tmp_path / "home", **flags)
    with open_platform(settings) as platform:
        expected = training_set(platform, JANUARY).digest
        move_to_lake(platform)
        password = platform.connection.execute("SELECT * FROM lake.iceberg_tables").fetchall()
        assert "never-logged" not in str(password)
    with open_platform(settings) as platform:
        assert training_set(platform, JANUARY).digest == expected
    with open_platform(settings) as platform:
        assert check_frozen_rows(platform, full=True).state is State.OK
        erased = forget(platform, "4498-ORXIB", why="a request").erased
        assert {revision.as_of for revision in erased} == {JANUARY, FEBRUARY}
        assert check_lake(platform).state is State.OK
        assert check_frozen_rows(platform, full=True).state is State.OK
        client = boto3.client("s3")
        for item in client.list_objects_v2(Bucket=BUCKET, Prefix="prefix/usage")["Contents"]:
            if item["Key"].endswith(".parquet"):
                client.delete_object(Bucket=BUCKET, Key=item["Key"])
        with pytest.raises(SnapshotDamaged, match="a file is missing"):
            training_set(platform, JANUARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with open_platform(settings) as platform, pytest.raises(LakeUnavailable) as refused:
        training_set(platform, JANUARY)
    assert "never-logged" not in str(refused.value)


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
    assert not list((platform.home / "tmp").glob("drop-*"))
    broken = (january / "users.csv").read_bytes().replace(b"7590-VHVEG,", b",", 1)
    client.put_object(Bucket=BUCKET, Key="drops/month_000/users.csv", Body=broken)
    with pytest.raises(ContractViolation, match=f"s3://{BUCKET}/drops/month_000/users.csv:2"):
        ingest(platform, Path(f"s3://{BUCKET}/drops/month_000"), JANUARY)
    with pytest.raises(ContractViolation, match="no files"):
        ingest(platform, Path(f"s3://{BUCKET}/nothing"), JANUARY)
