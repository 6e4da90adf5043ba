"""The catalog says what is wrong with it, and where."""

import re

import pytest

from streamflow.catalog import DEFAULT_PATH, Catalog, load_catalog, parse_catalog
from streamflow.core.data.catalog_definitions import (
    catalog_from_values,
    catalog_to_values,
    list_model_facts,
    values_to_toml,
)
from streamflow.core.onboarding.catalog_text import declaration
from streamflow.errors import CatalogInvalid

TEXT = DEFAULT_PATH.read_text(encoding="utf-8")


def changed(old: str, new: str) -> Catalog:
    assert old in TEXT
    return parse_catalog(TEXT.replace(old, new, 1), origin="catalog.toml")


def test_the_default_has_the_14_features_of_the_reference_in_order() -> None:
    catalog = load_catalog(None)
    assert [f.name for f in catalog.features] == [
        "months_active",
        "monthly_fee",
        "paperless_billing",
        "plan_stream_tv",
        "plan_stream_movies",
        "net_service",
        "watch_hours_30d",
        "avg_session_mins_7d",
        "unique_devices_30d",
        "skips_7d",
        "rebuffer_events_7d",
        "failed_payments_90d",
        "support_tickets_90d",
        "ticket_avg_resolution_hrs_90d",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("min = 0, max = 720", "min = 900, max = 720", "above max"),
        ('view = "subs_profile_fv"', 'view = "nowhere_fv"', "no view 'nowhere_fv'"),
        ('column = "churn_label"', 'column = "absent"', "no column 'absent'"),
        ('type = "date"', 'type = "day"', "signup_date"),
        ("ttl_days = 62", "ttl_dayz = 62", "ttl_dayz"),
        ("[entity]", "[entity", "line"),
        (
            'paperless_billing   = { type = "bool"',
            'paperless_billing = { type = "bool", counter = true',
            "counter belongs to numbers, not to type 'bool'",
        ),
        (
            'signup_date       = { type = "date"',
            'signup_date = { type = "date", counter = true',
            "counter belongs to numbers",
        ),
        ('tenure = "since"', 'tenure = "months"', "of a column of type 'date' has to be 'since'"),
        ("counter = true, view", 'tenure = "since", view', "has to be 'days', 'months' or 'years'"),
        ("counter = true, view", 'tenure = "months", view', "users.columns.signup_date says the"),
        (
            'user_is_senior    = { type = "bool"',
            'user_is_senior = { type = "bool", tenure = "since"',
            "tenure belongs to dates and numbers",
        ),
        (', "No"], categorical = true', ', "No"]', "net_service"),
        ("skips_7d   ", "churn_label", "a feature cannot have the name of the label"),
        ("skips_7d   ", "as_of      ", "streamflow itself uses this name"),
        (
            "min = 0, max = 720",
            "min = 0, max = 720, default = 721",
            "default 721.0 is not among the values that the column allows",
        ),
        (
            "min = 0, max = 720",
            "min = 0, max = 720, default = nan",
            "default nan is not among the values that the column allows",
        ),
        ("min = 0, max = 720", f"min = 0, default = {10**400}", "is not of type 'float'"),
        (
            "min = 0, max = 1200",
            "min = 0, max = 1200, default = 1.0",
            "default 1.0 is not of type 'int'",
        ),
        (
            "min = 0, max = 1200",
            f"default = {2**63}",
            f"default {2**63} is not among the values that the column allows",
        ),
        ("min = 0, max = 1200", "default = true", "default True is not of type 'int'"),
        (
            '"No"], categorical',
            '"No"], default = "Cable", categorical',
            "default 'Cable' is not among the values that the column allows",
        ),
        (
            'signup_date       = { type = "date"',
            'signup_date = { type = "date", default = "2024-01-31"',
            "this column has no view",
        ),
        ('table = "usage_agg_30d"', 'table = "usage_agg_30d"\nmax_age_days = 0', "max_age_days"),
        ('table = "usage_agg_30d"', 'table = "usage_agg_30d"\nmax_age_days = 0.5', "max_age_days"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(CatalogInvalid, match="catalog.toml") as error:
        changed(old, new)
    assert said in str(error.value)


def test_the_service_changes_with_the_features_and_with_nothing_else() -> None:
    ours = load_catalog(None)
    assert changed("min = 0, max = 720", "min = 0, max = 700").service == ours.service
    assert (
        changed(
            '"Two year"] }', '"Two year"], categorical = true, view = "subs_profile_fv" }'
        ).service
        != ours.service
    )


def test_a_counter_is_known_and_changes_nothing_that_a_model_or_a_database_depends_on() -> None:
    """Not even of passports that were made before columns had it."""
    ours, without = (
        load_catalog(None),
        parse_catalog(TEXT.replace(", counter = true", ""), origin="catalog.toml"),
    )
    assert [n for t in ours.tables.values() for n, c in t.columns.items() if c.counter] == [
        "months_active",
        "total_paid",
    ]
    assert (without.service, without.digest) == (ours.service, ours.digest)
    assert list_model_facts(catalog_to_values(without)) == list_model_facts(catalog_to_values(ours))
    assert "counter" not in str(catalog_to_values(without))
    for catalog in (ours, without):
        for again in (
            catalog_from_values(catalog_to_values(catalog)),
            parse_catalog(values_to_toml(catalog_to_values(catalog)), origin="again"),
        ):
            assert catalog_to_values(again) == catalog_to_values(catalog)
            assert [t.columns for t in again.tables.values()] == [
                t.columns for t in catalog.tables.values()
            ]
    assert "counter = true" in declaration(ours.tables["subscriptions"].columns["total_paid"])


def test_the_tenure_changes_nothing_that_a_model_or_a_database_depends_on() -> None:
    ours = load_catalog(None)
    without = changed(', tenure = "since"', "")
    assert (without.service, without.digest) == (ours.service, ours.digest)
    assert list_model_facts(catalog_to_values(without)) == list_model_facts(catalog_to_values(ours))
    assert "tenure" not in str(catalog_to_values(without))
    again = parse_catalog(values_to_toml(catalog_to_values(ours)), origin="again")
    assert again.tables["users"].columns["signup_date"].tenure == "since"


def test_the_label_and_an_event_cannot_say_the_tenure() -> None:
    since = 'type = "date", tenure = "since"'
    without = TEXT.replace(', tenure = "since"', "")
    label = f"[tables.labels.columns]\nsince = {{ {since} }}"
    event = (
        f'\n[events.visits]\ntime = "at"\n[events.visits.columns]\nat = {{ {since} }}'
        '\n[events.visits.aggregates]\nvisits_30d = { count = "true", days = 30 }\n'
    )
    for text, message in (
        (without.replace("[tables.labels.columns]", label), "the label cannot say the tenure"),
        (without + event, "events.visits.columns.at: an event cannot say the tenure"),
    ):
        with pytest.raises(CatalogInvalid, match=message):
            parse_catalog(text, origin="catalog.toml")


def test_a_policy_of_serving_is_recorded_with_a_version_and_asks_nothing_of_a_database() -> None:
    ours = load_catalog(None)
    text = TEXT.replace("min = 0, max = 720,", "min = 0, max = 720, default = -0.0,")
    text = text.replace('table = "usage_agg_30d"', 'table = "usage_agg_30d"\nmax_age_days = 30')
    with_it = parse_catalog(text, origin="catalog.toml")
    assert (with_it.service, with_it.digest) == (ours.service, ours.digest)
    assert not {"default", "max_age_days"} & set(str(catalog_to_values(ours)).split("'"))
    for again in (
        catalog_from_values(catalog_to_values(with_it)),
        parse_catalog(values_to_toml(catalog_to_values(with_it)), origin="again"),
    ):
        assert (again.features, again.views) == (with_it.features, with_it.views)
    before, after = (
        list_model_facts(catalog_to_values(ours)),
        list_model_facts(catalog_to_values(with_it)),
    )
    changed = {name: value for name, value in after.items() if value != before[name]}
    assert changed.pop("usage_agg_30d_fv:watch_hours_30d default") == 0.0
    assert changed == {f"{f.ref} max_age_days": 30 for f in ours.features_of("usage_agg_30d_fv")}
    assert str(with_it.tables["usage_agg_30d"].columns["watch_hours_30d"].default) == "0.0"


def test_words_are_known_and_change_nothing_that_a_model_or_a_database_depends_on() -> None:
    ours = load_catalog(None)
    without = parse_catalog(re.sub(r', words = "[^"]+"', "", TEXT), origin="catalog.toml")
    assert ours.tables["subscriptions"].columns["net_service"].words == "internet service"
    assert (ours.digest, ours.service) == (without.digest, without.service)
    assert list_model_facts(catalog_to_values(ours)) == list_model_facts(catalog_to_values(without))
    assert 'words = "internet service"' in declaration(
        ours.tables["subscriptions"].columns["net_service"]
    )
