"""A catalog can declare files that have several rows per key, and says what is wrong with them."""

from pathlib import Path

import pytest
from support.events import events_catalog

from streamflow.catalog import Aggregate, Column, Events, load_catalog, parse_catalog
from streamflow.core.data.catalog_definitions import (
    catalog_from_values,
    catalog_to_values,
    list_model_facts,
    values_to_toml,
)
from streamflow.errors import CatalogInvalid

FAILED = """failed_90d = { count = "status = 'failed'", days = 90, view = "payments_fv" }"""


def test_the_aggregates_are_the_columns_of_a_frozen_table() -> None:
    catalog = events_catalog()
    assert list(catalog.columns("payments"))[:3] == ["user_id", "payments", "failed_90d"]
    assert list(catalog.file_columns("payments")) == [
        "user_id",
        "paid_at",
        "status",
        "amount",
        "points",
    ]
    assert catalog.population_of("payments") == "users"
    assert catalog.feature_tables == ("users", "payments")
    assert [feature.ref for feature in catalog.features] == [
        "users_fv:fee",
        "payments_fv:failed_90d",
        "payments_fv:paid_30d",
        "payments_fv:mean_amount",
        "payments_fv:last_status",
        "payments_fv:days_since_failed",
    ]
    types = {name: column.type for name, column in catalog.events["payments"].aggregates.items()}
    assert [types[name] for name in ("payments", "paid_30d", "mean_amount")] == [
        "int",
        "float",
        "float",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('time = "paid_at"', 'time = "paid"', "events.payments.time: the events have no column"),
        ('paid_at = { type = "timestamp"', 'paid_at = { type = "int"', "timestamp or date"),
        ('{ type = "timestamp" }', '{ type = "timestamp", nullable = true }', "not be nullable"),
        ("points = {", "row_number = {", "columns.row_number: streamflow itself uses this name"),
        ("points = {", "user_id = {", "columns.user_id: streamflow itself uses this name"),
        ("payments = {", "as_of = {", "aggregates.as_of: streamflow itself uses this name"),
        ("points = {", "points = { expr = 'amount', ", "only a column of a table can have expr"),
        ("points = {", 'points = { view = "payments_fv", ', "an event is not a feature"),
        ('count = "true"', 'view = "payments_fv"', "aggregates.payments.type"),
        ('count = "true"', 'type = "int"', "exactly one of count, sum, mean, last, days_since"),
        ('count = "true"', 'count = "true", sum = "1"', "exactly one of"),
        ('count = "true"', 'count = "true", type = "float"', "the type of count is int"),
        ('mean = "amount"', 'type = "int", mean = "amount"', "the type of mean is float"),
        ('count = "true"', 'count = "(SELECT true)"', "count: expr holds a query"),
        ('count = "true"', 'count = "lag(amount) > 1"', "an aggregate cannot use lag"),
        ('count = "true"', 'count = "true", expr = "1"', "neither expr nor header"),
        ("days = 90", "days = 0", "greater than 0"),
        ('type = "string", last', "last", "aggregates.last_status.type"),
        (FAILED, FAILED.replace("payments_fv", "users_fv"), "reads table 'users'"),
        ('key = "user_id"\ntable = "users"', 'key = "user_id"\ntable = "payments"', "several rows"),
        ('table = "labels"', 'table = "payments"', "label: the table 'payments' has several rows"),
        ("[events.payments]", "[tables.payments.columns]\n[events.payments]", "table 'payments'"),
        ("payments = {", "fee = { view = 'payments_fv',", "table 'users' has a feature 'fee' too"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, problem: str) -> None:
    with pytest.raises(CatalogInvalid) as refused:
        events_catalog(old, new)
    assert problem in str(refused.value)
    assert "catalog.toml" in str(refused.value)


def test_the_file_of_events_has_a_format_and_headers() -> None:
    catalog = events_catalog(
        'points = { type = "int"', 'points = { type = "int", header = "Loyalty points"'
    )
    assert catalog.headers("payments")["points"] == "Loyalty points"
    with pytest.raises(CatalogInvalid, match="events.payments: two columns have the header"):
        events_catalog('points = { type = "int"', 'points = { type = "int", header = "status"')


def test_a_catalog_without_events_has_the_digest_and_the_service_that_it_always_had() -> None:
    catalog = load_catalog(None)
    assert catalog.digest == "57a694fa320e39b8ed0771891d65646a0b70adf26ab779747f6e2db2a39ebf02"
    assert catalog.service == "streamflow_churn_5dfdaa7e"
    assert "events" not in catalog_to_values(catalog)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("status = 'failed'\", days = 90", "status = 'failed'\", days = 91"),
        ("status = 'failed'\", days", "status = 'ok'\", days"),
        ('mean = "amount"', 'sum = "amount"'),
        ('time = "paid_at"', 'time = "due_at"'),
    ],
)
def test_the_service_changes_with_the_meaning_of_an_aggregate(old: str, new: str) -> None:
    columns = 'paid_at = { type = "timestamp" }\ndue_at = { type = "date" }\n'
    catalog = events_catalog('paid_at = { type = "timestamp" }\n', columns)
    text = values_to_toml(catalog_to_values(catalog))
    changed = parse_catalog(_replace(text, old, new), origin="changed")
    assert changed.service != catalog.service
    assert changed.digest != catalog.digest
    assert list_model_facts(catalog_to_values(changed)) != list_model_facts(
        catalog_to_values(catalog)
    )


def _replace(text: str, old: str, new: str) -> str:
    """Replace a declaration in a catalog that has one option a line."""
    lines = text.replace(old.replace('", days', '"\ndays'), new.replace('", days', '"\ndays'), 1)
    assert lines != text
    return lines


def test_what_no_model_reads_changes_neither_digest_nor_service() -> None:
    catalog = events_catalog()
    spoken = events_catalog("days = 90,", 'days = 90, words = "failed payments",')
    assert (spoken.digest, spoken.service) == (catalog.digest, catalog.service)


def test_a_recorded_catalog_of_events_is_the_same_catalog() -> None:
    catalog = events_catalog("[events.payments]\n", '[events.payments]\nfile = "paid.csv"\n')
    values = catalog_to_values(catalog)
    assert catalog_from_values(values).events == catalog.events
    copy = parse_catalog(values_to_toml(values), origin="copy")
    assert copy.events == catalog.events
    assert (copy.service, catalog_to_values(copy)) == (catalog.service, values)


def test_a_changed_copy_has_its_own_tables() -> None:
    catalog = events_catalog()
    assert list(catalog.frozen_tables) == ["users", "labels", "payments"]
    copy = catalog.model_copy(update={"events": {}})
    assert list(copy.frozen_tables) == ["users", "labels"]


def test_the_reference_names_every_option_of_events() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")
    section = reference[reference.index("### Files with several rows per key") :]
    own_options = Aggregate.model_fields.keys() - Column.model_fields.keys()
    assert all(f"`{name}`" in section for name in (*Events.model_fields, *own_options))
