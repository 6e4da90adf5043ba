"""The catalog as a person reads it: promises, computations and uses of each column."""

from support.events import events_catalog

from streamflow.catalog import DEFAULT_PATH, Column, load_catalog
from streamflow.core.data.catalog_overview import describe_catalog, describe_promise


def test_each_frozen_table_has_all_its_columns_with_their_uses() -> None:
    catalog = load_catalog(DEFAULT_PATH)
    overview = describe_catalog(catalog)
    assert [table.name for table in overview.tables] == list(catalog.frozen_tables)
    uses = {}
    for table in overview.tables:
        assert [column.name for column in table.columns] == list(
            {**catalog.file_columns(table.name), **catalog.columns(table.name)}
        )
        uses |= {f"{table.name}.{column.name}": column.uses for column in table.columns}
    assert "key" in uses[f"{catalog.entity.table}.{catalog.entity.key}"]
    assert "label" in uses[overview.label]
    for feature in catalog.features:
        assert f"feature {feature.ref}" in uses[f"{feature.table}.{feature.name}"]
    assert sum(len(view.features) for view in overview.views) == len(catalog.features)


def test_a_computed_column_is_a_use_of_the_columns_that_it_reads() -> None:
    catalog = events_catalog()
    table = next(t for t in describe_catalog(catalog).tables if t.name == "payments")
    columns = {column.name: column for column in table.columns}
    assert table.is_events
    assert columns["status"].header == "status"
    assert "column failed_90d" in columns["status"].uses
    assert "time of the event" in columns["paid_at"].uses
    computed = columns["failed_90d"]
    assert computed.header == ""
    assert computed.computation == "count of (status = 'failed') in 90 days of paid_at"
    # A word within a text of the expression is no column.
    assert "failed" not in columns


def test_a_promise_names_every_limit() -> None:
    text = Column(type="string", max_length=8)
    assert describe_promise(text) == "at most 8 characters"
    assert describe_promise(Column(type="float", min=0.5)) == "at least 0.5"
    large = Column(type="int", min=-1234567, max=999_999_999)
    assert describe_promise(large) == "at least -1234567, at most 999999999"
    assert describe_promise(Column(type="bool")) == ""
