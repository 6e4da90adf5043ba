"""The SQL that reads the rows of a source, as PostgreSQL 15 accepts it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from streamflow.features import history_reads
from streamflow.features.history_pulls import Pull, compose_all, compose_latest
from streamflow.features.history_rows import RequestedView
from streamflow.features.history_source import HistorySource

QUERY = "(SELECT * FROM trips)"
AT = datetime(2024, 1, 31, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("driver_id", pa.int64()),
        ("trips", pa.int64()),
        ("moment", pa.timestamp("us", "UTC")),
        ("made", pa.timestamp("us", "UTC")),
    ]
)
HISTORY = pa.schema(
    [*SCHEMA, ("known_at", SCHEMA.field("made").type), ("superseded_at", SCHEMA.field("made").type)]
)


def assert_every_query_has_an_alias(statement: str) -> None:
    """PostgreSQL 15 and older refuse a query in FROM that has no name."""
    assert QUERY in statement
    assert not re.search(re.escape(QUERY) + r"(?! AS \w)", statement), statement


@pytest.mark.parametrize("schema", [SCHEMA, HISTORY], ids=["plain", "history"])
@pytest.mark.parametrize("created", [None, "made"])
@pytest.mark.parametrize("compose", [compose_all, compose_latest])
@pytest.mark.parametrize("keys", [[], ["driver_id"]], ids=["no key", "key"])
def test_a_query_as_source_of_a_pull(
    schema: pa.Schema,
    created: str | None,
    compose: Callable[[HistorySource, Pull], str],
    keys: list[str],
) -> None:
    source = HistorySource(
        relation=QUERY, timestamp_field="moment", created_column=created, schema=schema
    )
    pull = Pull(
        relation=QUERY,
        keys=keys,
        features=["trips"],
        timestamp_field="moment",
        created_column=created,
        start=AT,
        end=AT,
    )
    assert_every_query_has_an_alias(compose(source, pull))


@pytest.mark.parametrize("schema", [SCHEMA, HISTORY], ids=["plain", "history"])
@pytest.mark.parametrize("created", [None, "made"])
@pytest.mark.parametrize("with_entities", [True, False], ids=["entities", "period"])
def test_a_query_as_source_of_historical_features(
    monkeypatch: pytest.MonkeyPatch, schema: pa.Schema, created: str | None, with_entities: bool
) -> None:
    statements = []

    class Cursor:
        def __enter__(self) -> Cursor:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def execute(self, statement: str, parameters: Any = None) -> None:
            self.statement = statement
            statements.append(statement)

        def fetch_arrow_table(self) -> pa.Table:
            if "LIMIT 0" in self.statement:
                return schema.empty_table()
            if "event_timestamp" in self.statement:
                return pa.table({"driver_id": [1], "event_timestamp": [AT]})
            if "__as_of" in self.statement:
                names = ["driver_id", "__as_of", "trips"]
                types = [SCHEMA.field(name).type for name in ("driver_id", "moment", "trips")]
                return pa.schema(list(zip(names, types, strict=True))).empty_table()
            return pa.table({"known_at": [AT]})

    monkeypatch.setattr(history_reads.adbc, "open_cursor", lambda _: Cursor())
    view = RequestedView(
        name="trips_fv",
        relation=QUERY,
        timestamp_field="moment",
        created_column=created,
        ttl=None,
        keys={"driver_id": "driver_id"},
        features={"trips": "trips"},
    )
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [pd.Timestamp(AT)]})
    entities = frame if with_entities else (AT, AT)
    answer = history_reads.historical_features(None, entities, [view])  # type: ignore[arg-type]
    assert answer["trips"].to_pylist() == [None]
    queries = [statement for statement in statements if "trips" in statement]
    assert len(queries) == (2 if with_entities else 3)
    for statement in queries:
        assert_every_query_has_an_alias(statement)
