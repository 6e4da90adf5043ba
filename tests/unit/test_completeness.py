"""What is served of a row with values that are absent, expired or null: against a plain statement of the rule, and as a frame."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamflow.catalog import load_catalog, parse_catalog
from streamflow.core.complete_frame import complete_frame
from streamflow.core.completeness import FeaturePolicy, Policy, policy_of
from streamflow.core.contract import POLARS_TYPES
from streamflow.errors import CatalogInvalid, EntityUnknown, FeaturesMissing, FeaturesStale, StreamflowError

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TYPES = {"a": "int", "b": "float", "c": "bool", "d": "string", "e": "int"}
VIEW_OF = {"a": "v", "b": "v", "c": "w", "d": "w", "e": "x"}
VALUES = {"int": st.integers(-5, 5), "float": st.floats(-9, 9), "bool": st.booleans(), "string": st.sampled_from(["", "x", "y"])}
LIMITS = st.sampled_from([timedelta(days=d) for d in (1, 30, 62)])
EDGES = [timedelta(days=d) + n * MICROSECOND for d in (1, 30, 62) for n in (-1, 0, 1)]
Row = tuple[tuple[Any, ...], dict[str, datetime | None]]


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    features = [
        FeaturePolicy(name=n, view=VIEW_OF[n], nullable=draw(st.booleans()), default=draw(st.none() | VALUES[kind]))
        for n, kind in TYPES.items()
    ]
    return Policy(features, draw(st.dictionaries(st.sampled_from(["v", "w", "x"]), LIMITS)), key="user_id")


@st.composite
def rows(draw: st.DrawFn) -> Row:
    values = {name: draw(st.none() | VALUES[kind]) for name, kind in TYPES.items()}
    ages = st.sampled_from([*EDGES, timedelta(), timedelta(days=-3), timedelta(days=700)])
    as_of = {view: draw(st.none() | ages.map(lambda age: NOW - age)) for view in ("v", "w", "x")}
    return tuple(None if as_of[VIEW_OF[name]] is None else value for name, value in values.items()), as_of


def stated(policy: Policy, values: tuple[Any, ...], as_of: dict[str, datetime | None]) -> dict[str, Any]:
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
    fresh = [at for view, at in as_of.items() if at and not (view in policy.max_age and NOW - at > policy.max_age[view])]
    helped = {f.name for f in policy.features if f.default is not None and fresh}
    missing = [name for name, what in seen.items() if what == "absent" and name not in helped]
    stale = [name for name, what in seen.items() if what == "expired" and name not in helped]
    if missing or stale:
        code = "features_missing" if missing else "features_stale"
        code = code if any(as_of.values()) else "entity_unknown"
        return {"reason": code, "missing_features": missing, "stale_features": stale, "defaulted": [], "stale": [], "as_of": None}
    return {
        "reason": None,
        "missing_features": [],
        "stale_features": [],
        "defaulted": [name for name, what in seen.items() if what != "value"],
        "stale": [name for name, what in seen.items() if what == "expired"],
        "as_of": min(fresh),
        "values": tuple(f.default if seen[f.name] != "value" else v for f, v in zip(policy.features, values, strict=True)),
    }


def told(policy: Policy, values: tuple[Any, ...], as_of: dict[str, datetime | None]) -> dict[str, Any]:
    """What complete_row says, in the same form."""
    try:
        found = policy.complete_row(values, as_of, NOW, key="k")
    except StreamflowError as error:
        lists = {name: error.facts.get(name, []) for name in ("missing_features", "stale_features")}
        return {"reason": error.code, **lists, "defaulted": [], "stale": [], "as_of": None}
    assert found.age == NOW - found.as_of
    own = {"defaulted": list(found.defaulted), "stale": list(found.stale), "as_of": found.as_of, "values": found.values}
    return {"reason": None, "missing_features": [], "stale_features": [], **own}


@given(policies(), rows())
def test_a_row_is_completed_as_the_rule_says(policy: Policy, row: Row) -> None:
    assert told(policy, *row) == stated(policy, *row)


@settings(max_examples=50)
@given(policies(), st.lists(rows(), max_size=12))
def test_a_frame_is_completed_as_its_rows_are(policy: Policy, given_rows: list[Row]) -> None:
    schema = {n: POLARS_TYPES[kind] for n, kind in TYPES.items()} | {f"{v} as_of": pl.Datetime("us", "UTC") for v in policy.views}
    frame = pl.DataFrame([(*values, *as_of.values()) for values, as_of in given_rows], schema=schema, orient="row")
    found = complete_frame(policy, frame, {view: f"{view} as_of" for view in policy.views}, NOW)
    assert found.values.schema == pl.Schema({name: schema[name] for name in TYPES})
    lines = zip(found.facts.iter_rows(named=True), found.values.iter_rows(), given_rows, strict=True)
    for facts, values, (given_values, as_of) in lines:
        wanted = told(policy, given_values, as_of)
        assert values == wanted.pop("values", given_values)
        assert facts == wanted
