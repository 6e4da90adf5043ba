"""Connections that wait for the next read.

Reads in a row use one backend, and no connection is lost, fails or remains.
"""

from __future__ import annotations

import adbc_driver_manager
import pytest
from conftest import Cluster
from support.processes import wait_for

from streamflow.database import Address, adbc, arrow, connect, translate_errors
from streamflow.errors import DatabaseUnavailable

PID = "SELECT pg_backend_pid() AS pid"


def pid(address: Address) -> int:
    found: int = arrow.read(address, PID)["pid"][0].as_py()
    return found


def works(address: Address, number: int) -> bool:
    with connect(address, autocommit=True) as connection:
        return (
            connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [number]).fetchone()
            is not None
        )


@pytest.fixture
def address(cluster: Cluster) -> Address:
    """One that no platform is open on."""
    return cluster.address.with_database("postgres").with_role("none")


def test_reads_in_a_row_have_one_backend_and_none_is_left(address: Address) -> None:
    with adbc.keep_connections(address):
        first = pid(address)
        assert [pid(address) for _ in range(3)] == [first] * 3
        assert works(address, first)
        assert pid(address.with_role("pg_monitor")) != first  # another role is another address
    assert wait_for(lambda: not works(address, first))  # the server takes note of an end after us
    assert pid(address) != pid(address)  # outside nothing waits


def test_the_end_of_an_inner_block_leaves_the_outer_one_its_connections(address: Address) -> None:
    with adbc.keep_connections(address):
        with adbc.keep_connections(address):
            first = pid(address)
        assert pid(address) == first
    assert wait_for(lambda: not works(address, first))


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_transaction_is_rolled_back_unless_it_is_committed(
    address: Address, is_committed: bool
) -> None:
    with adbc.keep_connections(address):
        arrow.read(address, PID)  # leaves an idle connection in autocommit mode
        with adbc.connection(address) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE made_by_adbc ()")
            if is_committed:
                connection.commit()
        table = arrow.read(address, "SELECT to_regclass('made_by_adbc')::text AS name")
        assert table["name"].to_pylist() == (["made_by_adbc"] if is_committed else [None])
        with connect(address, autocommit=True) as administrator:
            administrator.execute("DROP TABLE IF EXISTS made_by_adbc")


def test_two_readers_at_a_time_have_two(address: Address) -> None:
    with adbc.keep_connections(address):
        first = pid(address)
        rows = arrow.stream(address, f"{PID} UNION ALL {PID}")
        assert next(rows)["pid"].to_pylist() == [first, first]
        other = pid(address)
        assert other != first
        rows.close()  # type: ignore[attr-defined]  # a generator; a reader that stops half way takes its connection along
        assert pid(address) == other


def test_one_that_was_lost_or_has_failed_is_not_used_again(address: Address) -> None:
    with adbc.keep_connections(address):
        lost = pid(address)
        with connect(address, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 10000)", [lost])
        failed = pid(address)
        assert failed != lost
        with pytest.raises(adbc_driver_manager.DataError, match="division by zero"):
            arrow.read(address, "SELECT 1/0")
        assert pid(address) != failed


def test_a_server_that_ends_a_stream_is_a_lost_connection(address: Address) -> None:
    rows = arrow.stream(address, "SELECT repeat('x', 100) FROM generate_series(1, 5000000)")
    next(rows)
    with connect(address, autocommit=True) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()"
        )
    with (
        pytest.raises(DatabaseUnavailable, match="the connection was lost"),
        translate_errors(address),
    ):
        list(rows)
