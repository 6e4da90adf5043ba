"""A table of somebody else's PostgreSQL becomes a drop, a catalog and frozen rows."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from support.command import called
from test_code_blocks import read_code

from streamflow.database import arrow, connect
from streamflow.errors import CatalogInvalid, StreamflowError
from streamflow.platform import Platform
from streamflow.steps.data.fetch_rows import fetch_rows, fetched_rows
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.init import init
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.snapshot import snapshot

if TYPE_CHECKING:
    from conftest import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "your-own-data.md"
CUSTOMERS = """
CREATE SCHEMA crm;
CREATE TABLE crm.customers AS
SELECT n AS customer_id, (n % 7 + 0.25)::numeric(8, 2) AS fee, n % 3 = 0 AS auto_renew,
       timestamptz '2023-01-01 12:00+02' + n * interval '1 day' AS joined_at,
       gen_random_uuid() AS token,
       CASE n % 4 WHEN 0 THEN date '2024-01-10' WHEN 1 THEN date '9999-12-31' END AS left_on
FROM generate_series(1, 60) AS n
"""


# The server refuses it at the fifth row only.
DIVIDES = "SELECT customer_id, 1 / (customer_id - 5) AS ratio FROM crm.customers"


@pytest.fixture
def source(cluster: Cluster, installation: str) -> str:
    """Return the URL of a database with customers, without its last part."""
    address = cluster.address.with_database(installation)
    with connect(address, autocommit=True) as connection:
        connection.execute(CUSTOMERS)
    server = {name: address.parameters[name] for name in ("host", "port")}
    password = f":{address.password}" if address.password else ""
    return f"postgresql://{address.user}{password}@/{installation}{{}}?{urlencode(server)}"


def fetch(url: str, folder: Path) -> AbstractContextManager[Path]:
    out = folder / "catalog.toml"
    return fetched_rows(url, folder, query=None, out=out, force=False, notify=print)


def test_a_table_becomes_a_catalog_and_frozen_rows(
    source: str, open_with: Callable[..., Platform], tmp_path: Path
) -> None:
    path = fetch_rows(source.format("/crm.customers"), tmp_path / "drop")
    assert path == tmp_path / "drop" / "customers.parquet"
    catalog = tmp_path / "catalog.toml"
    receipt = init([path], catalog)
    assert (receipt.key, receipt.label) == ("customer_id", "customers_label.churned")
    assert receipt.tables[0].features == ("fee", "auto_renew")
    platform = open_with(migrated=False, catalog=catalog)
    migrate(platform)
    day = datetime(2024, 1, 31, tzinfo=UTC)
    assert [file.rows for file in ingest(platform, path.parent, day).files] == [60, 60]
    snapshot(platform, day)
    labels = arrow.read(platform.address, "SELECT churned FROM frozen.customers_label")
    # A date of leaving after the day of the drop is no leaving yet.
    assert sum(labels["churned"].to_pylist()) == 15


def test_the_command_of_the_page_writes_a_drop_and_a_catalog(source: str, tmp_path: Path) -> None:
    """The page is your-own-data.md."""
    blocks = [block.code for block in read_code(PAGE) if "init --from" in block.code]
    (words,) = [shlex.split(code)[1:] for code in blocks]
    place = words.index("postgresql://me@db.example/crm/public.customers")
    words[place] = source.format("/crm.customers")
    done = called(tmp_path / "home", *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "month_000" / "customers.parquet").is_file()
    assert "[entity]" in (tmp_path / "catalog.toml").read_text(encoding="utf-8")


def test_a_query_gives_the_rows(source: str, tmp_path: Path) -> None:
    path = fetch_rows(
        source.format(""), tmp_path, query="SELECT * FROM crm.customers WHERE customer_id < 9;"
    )
    receipt = init([path], tmp_path / "catalog.toml")
    assert receipt.keys == 8


def test_a_query_may_end_with_a_comment(source: str, tmp_path: Path) -> None:
    query = "SELECT * FROM crm.customers -- all of them"
    path = fetch_rows(source.format(""), tmp_path, query=query)
    assert init([path], tmp_path / "catalog.toml").keys == 60


def test_what_cannot_be_read_is_said_without_the_password(source: str, tmp_path: Path) -> None:
    for url, query, said in (
        (source.format("/crm.nobody"), None, 'relation "crm.nobody" does not exist'),
        (source.format(""), "SELECT 1 FROM", "syntax error"),
        (source.format(""), "SELECT 1 AS id, 2 AS id", "two columns are called 'id'"),
        (source.format(""), DIVIDES, ": division by zero"),
        (source.format(""), None, "the URL must end with DATABASE/SCHEMA.TABLE"),
        ("mysql://me:secret@/crm/people", None, "must begin with postgresql://"),
    ):
        with pytest.raises(CatalogInvalid) as error:
            fetch_rows(url, tmp_path, query=query)
        assert said in error.value.message
        assert "secret" not in str(error.value)
    assert not list(tmp_path.glob("*.parquet"))


def test_a_refused_guess_leaves_no_file_behind(source: str, tmp_path: Path) -> None:
    url = source.format("/crm.customers")
    for _ in range(2):  # so the second try is not refused because of the first
        with (
            pytest.raises(CatalogInvalid, match="no column 'nothing'"),
            fetch(url, tmp_path) as path,
        ):
            init([path], tmp_path / "catalog.toml", label="nothing")
    assert not list(tmp_path.iterdir())


def test_the_same_source_is_read_again_and_no_file_of_somebody_else_is_replaced(
    source: str, cluster: Cluster, installation: str, tmp_path: Path
) -> None:
    url = source.format("/crm.customers")
    with fetch(url, tmp_path) as path:
        pass
    with connect(cluster.address.with_database(installation), autocommit=True) as connection:
        connection.execute("DELETE FROM crm.customers WHERE customer_id > 50")
    with (
        pytest.raises(CatalogInvalid, match="no column 'nothing'"),
        fetch(url, tmp_path) as path,
    ):
        init([path], tmp_path / "catalog.toml", label="nothing")
    assert init([path], tmp_path / "catalog.toml").keys == 50
    # Now that there is a catalog, it is refused before a row is read.
    with pytest.raises(StreamflowError, match=r"catalog\.toml exists"), fetch(url, tmp_path):
        pass
    (tmp_path / "catalog.toml").unlink()
    other_source = "TABLE crm.customers"
    fetch_rows(source.format(""), tmp_path, query=other_source)
    (tmp_path / "query.parquet").rename(path)
    before = path.read_bytes()
    for _ in range(2):
        with (
            pytest.raises(StreamflowError, match=r"customers\.parquet exists"),
            fetch(url, tmp_path),
        ):
            pass
        assert path.read_bytes() == before
        path.write_bytes(before := b"a file of somebody else")


def test_init_needs_a_source(tmp_path: Path) -> None:
    finished = called(tmp_path / "home", "init")
    assert finished.returncode == 2
    assert "name SOURCE, or --from URL" in finished.stderr
