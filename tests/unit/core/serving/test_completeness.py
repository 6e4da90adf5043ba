"""What is served of a row with values that are absent, expired or null.

One row and a whole frame are compared with a plain statement of the rule.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.catalog import DEFAULT_PATH, Catalog, parse_catalog
from streamflow.core.data.contract import polars_type
from streamflow.core.serving.completeness import CompletenessPolicy, FeaturePolicy
from streamflow.core.serving.frame_completeness import complete_frame
from streamflow.core.serving.service_policy import build_policy
from streamflow.errors import FeaturesMissing, FeaturesStale, StreamflowError

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TYPES = {"a": "int", "b": "float", "c": "bool", "d": "string", "e": "int"}
VIEW_OF = {"a": "v", "b": "v", "c": "w", "d": "w", "e": "x"}
VALUES = {
    "int": st.integers(-5, 5),
    "float": st.floats(-9, 9),
    "bool": st.booleans(),
    "string": st.sampled_from(["", "x", "y"]),
}
LIMITS = st.sampled_from([timedelta(days=d) for d in (1, 30, 62)])
EDGES = [timedelta(days=d) + n * MICROSECOND for d in (1, 30, 62) for n in (-1, 0, 1)]
Row = tuple[tuple[Any, ...], dict[str, datetime | None]]


@st.composite
def policies(draw: st.DrawFn) -> CompletenessPolicy:
    features = [
        FeaturePolicy(
            name=n,
            view=VIEW_OF[n],
            nullable=draw(st.booleans()),
            default=draw(st.none() | VALUES[kind]),
        )
        for n, kind in TYPES.items()
    ]
    return CompletenessPolicy(
        features, draw(st.dictionaries(st.sampled_from(["v", "w", "x"]), LIMITS)), key="user_id"
    )


@st.composite
def rows(draw: st.DrawFn) -> Row:
    values = {name: draw(st.none() | VALUES[kind]) for name, kind in TYPES.items()}
    ages = st.sampled_from([*EDGES, timedelta(), timedelta(days=-3), timedelta(days=700)])
    as_of = {view: draw(st.none() | ages.map(lambda age: NOW - age)) for view in ("v", "w", "x")}
    return tuple(
        None if as_of[VIEW_OF[name]] is None else value for name, value in values.items()
    ), as_of


def stated(
    policy: CompletenessPolicy, values: tuple[Any, ...], as_of: dict[str, datetime | None]
) -> dict[str, Any]:
    """The rule, feature by feature, as plainly as it can be said."""
    seen: dict[str, str] = {}
    for feature, value in zip(policy.features, values, strict=True):
        at, limit = as_of[feature.view], policy.max_age.get(feature.view)
        if at is None:
            seen[feature.name] = "absent"
        elif limit is not None and NOW - at > limit:
            seen[feature.name] = "expired"
        else:
            seen[feature.name] = "absent" if value is None and not feature.nullable else "value"
    fresh = [
        at
        for view, at in as_of.items()
        if at and not (view in policy.max_age and NOW - at > policy.max_age[view])
    ]
    helped = {f.name for f in policy.features if f.default is not None and fresh}
    missing = [name for name, what in seen.items() if what == "absent" and name not in helped]
    stale = [name for name, what in seen.items() if what == "expired" and name not in helped]
    if missing or stale:
        code = "features_missing" if missing else "features_stale"
        code = code if any(as_of.values()) else "entity_unknown"
        return {
            "reason": code,
            "missing_features": missing,
            "stale_features": stale,
            "defaulted": [],
            "stale": [],
            "as_of": None,
        }
    return {
        "reason": None,
        "missing_features": [],
        "stale_features": [],
        "defaulted": [name for name, what in seen.items() if what != "value"],
        "stale": [name for name, what in seen.items() if what == "expired"],
        "as_of": min(fresh),
        "values": tuple(
            f.default if seen[f.name] != "value" else v
            for f, v in zip(policy.features, values, strict=True)
        ),
    }


def told(
    policy: CompletenessPolicy, values: tuple[Any, ...], as_of: dict[str, datetime | None]
) -> dict[str, Any]:
    """What complete_row says, in the same form."""
    try:
        found = policy.complete_row(values, as_of, NOW, key="k")
    except StreamflowError as error:
        lists = {name: error.facts.get(name, []) for name in ("missing_features", "stale_features")}
        return {"reason": error.code, **lists, "defaulted": [], "stale": [], "as_of": None}
    assert found.age == NOW - found.as_of
    own = {
        "defaulted": list(found.defaulted),
        "stale": list(found.stale),
        "as_of": found.as_of,
        "values": found.values,
    }
    return {"reason": None, "missing_features": [], "stale_features": [], **own}


@given(policies(), rows())
def test_a_row_is_completed_as_the_rule_says(policy: CompletenessPolicy, row: Row) -> None:
    assert told(policy, *row) == stated(policy, *row)


@given(policies(), st.lists(rows(), max_size=12))
def test_a_frame_is_completed_as_its_rows_are(
    policy: CompletenessPolicy, given_rows: list[Row]
) -> None:
    schema = {n: polars_type(kind) for n, kind in TYPES.items()} | {
        f"{v} as_of": pl.Datetime("us", "UTC") for v in policy.views
    }
    frame = pl.DataFrame(
        [(*values, *as_of.values()) for values, as_of in given_rows], schema=schema, orient="row"
    )
    found = complete_frame(policy, frame, {view: f"{view} as_of" for view in policy.views}, NOW)
    assert found.values.schema == pl.Schema({name: schema[name] for name in TYPES})
    lines = zip(
        found.facts.iter_rows(named=True), found.values.iter_rows(), given_rows, strict=True
    )
    for facts, values, (given_values, as_of) in lines:
        wanted = told(policy, given_values, as_of)
        assert values == wanted.pop("values", given_values)
        assert facts == wanted


def with_policies() -> Catalog:
    """The default catalog; usage may be 30 days old.

    Two features of usage and one of a different view have a default.
    """
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    for old, new in (
        ('table = "usage_agg_30d"', 'table = "usage_agg_30d"\nmax_age_days = 30'),
        ("min = 0, max = 720,", "min = 0, max = 720, default = 0,"),
        ('skips_7d             = { type = "int",', 'skips_7d = { type = "int", default = 3,'),
        ("plan_stream_tv      = { ", "plan_stream_tv = { default = false, "),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    return parse_catalog(text, origin="catalog.toml")


CATALOG = with_policies()
POLICY = build_policy(CATALOG, [f.ref for f in CATALOG.features])
ROW = (1, 29.85, True, None, None, "No", 10.5, 20.0, 1, 2, 3, 0, 1, 4.5)
DAY = timedelta(days=1)


def instants(**ages: float | None) -> dict[str, datetime | None]:
    """Each view's row is a day old, or as old as it is said."""
    every = dict.fromkeys(POLICY.views, 1.0) | ages
    return {view: None if age is None else NOW - age * DAY for view, age in every.items()}


def test_a_row_that_is_whole_is_served_as_it_is() -> None:
    found = POLICY.complete_row(ROW, instants(support_agg_90d_fv=700), NOW, key="k")
    assert (found.values, found.defaulted, found.age_days) == (ROW, (), 700.0)


def test_a_declared_default_stands_in_for_what_is_absent_and_a_declared_null_is_a_value() -> None:
    found = POLICY.complete_row((*ROW[:6], None, *ROW[7:]), instants(), NOW, key="k")
    assert found.values == (*ROW[:6], 0.0, *ROW[7:])
    assert type(found.values[6]) is float
    assert (found.defaulted, found.stale, found.values[3]) == (("watch_hours_30d",), (), None)


def test_all_that_is_refused_is_said_at_once() -> None:
    with pytest.raises(FeaturesMissing) as error:
        POLICY.complete_row(
            (1, None, *ROW[2:]),
            instants(usage_agg_30d_fv=40.5, payments_agg_90d_fv=None),
            NOW,
            key="7590",
        )
    late = ["avg_session_mins_7d", "unique_devices_30d", "rebuffer_events_7d"]
    assert error.value.facts == {
        "missing_features": ["monthly_fee", "failed_payments_90d"],
        "stale_features": late,
    }
    assert error.value.message == (
        "user_id '7590' has no value for monthly_fee, failed_payments_90d;"
        " user_id '7590' has only values from 40.5 days ago for"
        f" {', '.join(late)}; usage_agg_30d_fv allows 30 days"
    )


def test_what_is_only_too_old_has_an_error_of_its_own_that_passes() -> None:
    assert POLICY.complete_row(ROW, instants(usage_agg_30d_fv=30), NOW, key="k").age_days == 30
    with pytest.raises(FeaturesStale) as error:
        POLICY.complete_row(ROW, instants(usage_agg_30d_fv=30.001), NOW, key="k")
    assert (error.value.code, error.value.http_status, list(error.value.facts)) == (
        "features_stale",
        503,
        ["stale_features"],
    )


def test_a_feature_that_the_catalog_no_longer_has_there_is_refused_where_it_has_no_value() -> None:
    moved = build_policy(
        CATALOG, ["gone_fv:watch_hours_30d", "gone_fv:lost", "subs_profile_fv:monthly_fee"]
    )
    at = {"gone_fv": NOW - 9999 * DAY, "subs_profile_fv": NOW - DAY}
    assert moved.complete_row((1.0, 2, 3.0), at, NOW, key="k").defaulted == ()
    with pytest.raises(FeaturesMissing) as error:
        moved.complete_row((None, None, 3.0), at, NOW, key="k")
    assert error.value.facts["missing_features"] == ["watch_hours_30d", "lost"]


def test_a_store_that_is_too_old_for_everybody_says_so() -> None:
    assert POLICY.explain_age_refusals(instants(usage_agg_30d_fv=30), NOW) == ()
    assert POLICY.explain_age_refusals(instants(usage_agg_30d_fv=None), NOW) == ()
    assert POLICY.explain_age_refusals(instants(usage_agg_30d_fv=40), NOW) == (
        "the online store has only values from 40.0 days ago for avg_session_mins_7d,"
        " unique_devices_30d, rebuffer_events_7d;"
        " usage_agg_30d_fv allows 30 days",
    )


@given(
    policies(),
    st.dictionaries(
        st.sampled_from(["v", "w", "x"]),
        st.integers(0, 80).map(lambda n: NOW - n * DAY),
        min_size=3,
    ),
)
def test_it_is_said_exactly_when_each_row_of_such_a_store_is_refused(
    policy: CompletenessPolicy, as_of: dict[str, datetime]
) -> None:
    whole = (1, 1.0, True, "x", 1)
    assert bool(policy.explain_age_refusals(as_of, NOW)) == (
        told(policy, whole, dict(as_of))["reason"] == "features_stale"
    )
