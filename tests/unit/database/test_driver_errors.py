"""An error of a driver is translated, also where a vendor's package works with SQLAlchemy."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from streamflow.database import from_url, translate_errors
from streamflow.errors import DatabaseUnavailable, DiskFull, SnapshotDamaged, StreamflowError

ADDRESS = from_url("postgresql://ann@localhost/streamflow")
ENDED = errors.AdminShutdown("terminating connection due to administrator command")


def wrapped(error: psycopg.Error) -> Exception:
    return DBAPIError.instance("SELECT 1", {}, error, psycopg.Error)


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped], ids=["driver", "SQLAlchemy"])
@pytest.mark.parametrize(
    ("error", "translation", "message"),
    [
        (ENDED, DatabaseUnavailable, "the connection was lost: terminating connection due to"),
        (psycopg.OperationalError("the connection is closed"), DatabaseUnavailable, "was lost"),
        (errors.DiskFull("No space left on device"), DiskFull, "No space left on device"),
        (errors.IntegrityConstraintViolation("stray rows"), SnapshotDamaged, "stray rows"),
    ],
)
def test_what_any_statement_can_cause_has_an_error_of_ours(
    wrap: object, error: psycopg.Error, translation: type[StreamflowError], message: str
) -> None:
    assert callable(wrap)
    with pytest.raises(translation, match=message), translate_errors(ADDRESS):
        raise wrap(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.UniqueViolation("twice"),
        wrapped(errors.UniqueViolation("twice")),
        wrapped(errors.UndefinedTable("no table")),
        ValueError("something else"),
    ],
)
def test_every_other_error_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translate_errors(ADDRESS):
        raise error
    assert raised.value is error
