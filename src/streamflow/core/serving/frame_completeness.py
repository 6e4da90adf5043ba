"""The rules of `completeness` for a whole frame of rows, as `score` needs them for a drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

import polars as pl

from streamflow.core.serving.completeness import CompletenessPolicy
from streamflow.errors import EntityUnknown, FeaturesMissing, FeaturesStale

NAME_LISTS = pl.List(pl.String)
# Feature or view -> true or false for each row, (n,).
Masks = Mapping[str, pl.Series]
# View -> the instant of its row for each row of the frame, (n,); null where there is none.
InstantColumns = Mapping[str, pl.Series]


@dataclass(frozen=True, kw_only=True)
class CompletedFrame:
    """The completed rows, in the order of the frame.

    Attributes:
        values: (n, features) complete where `reason` is null; elsewhere the values of the frame.
        facts: (n, 6) with these columns:
            reason: null, or the code of the error that `complete_row` raises for this row.
            as_of: the instant of the oldest row that was used; null where there is a reason.
            defaulted, stale: as in `CompletedRow`; empty where there is a reason.
            missing_features, stale_features: which features are refused; empty where none is.
    """

    values: pl.DataFrame
    facts: pl.DataFrame


def complete_frame(
    policy: CompletenessPolicy, frame: pl.DataFrame, as_of: Mapping[str, str], now: datetime
) -> CompletedFrame:
    """Complete each row at the instant `now`, as `CompletenessPolicy.complete_row` does.

    Args:
        policy: The policy of the feature service.
        frame: (n, ·) the features of the policy by name, typed as the catalog declares them, and
            the columns that `as_of` names.
        as_of: View -> the column with the instant of its row (Datetime, us, UTC); null where the
            view has no row.
        now: The instant of the request.
    """
    instants = {view: frame[as_of[view]] for view in policy.views}
    expired = _expired_views(policy, instants, now)
    late = {feature.name: expired[feature.view] for feature in policy.features}
    absent = _absent_features(policy, frame, instants, late)
    has_row = {}
    for view, instant in instants.items():
        has_row[view] = instant.is_not_null()
    fresh = {}
    for view in policy.views:
        fresh[view] = has_row[view] & ~expired[view]
    refused = _refused_features(policy, _any(fresh))
    missing = _and_each(absent, refused)
    stale = _and_each(late, refused)
    answered = ~(_any(missing) | _any(stale))
    defaulted = {}
    stale_defaults = {}
    for name in policy.names:
        needs_default = absent[name] | late[name]
        defaulted[name] = answered & needs_default
        stale_defaults[name] = answered & late[name]
    facts = {
        "reason": _reason_codes(_any(has_row), _any(missing), _any(stale)),
        "as_of": _oldest(instants, fresh, answered),
        "defaulted": _names(defaulted),
        "stale": _names(stale_defaults),
        "missing_features": _names(missing),
        "stale_features": _names(stale),
    }
    values = _replace_defaulted(policy, frame, defaulted)
    return CompletedFrame(values=values, facts=pl.DataFrame(facts))


def _expired_views(policy: CompletenessPolicy, instants: InstantColumns, now: datetime) -> Masks:
    expired = {}
    for view, instant in instants.items():
        limit = policy.max_age.get(view)
        if limit is None:
            expired[view] = pl.repeat(False, len(instant), eager=True)
        else:
            is_expired = instant < now - limit
            expired[view] = is_expired.fill_null(False)
    return expired


def _refused_features(policy: CompletenessPolicy, has_fresh_view: pl.Series) -> Masks:
    """Tell which features are refused in each row when their value is absent or too old."""
    everywhere = pl.repeat(True, len(has_fresh_view), eager=True)
    refused = {}
    for feature in policy.features:
        if feature.default is None:
            refused[feature.name] = everywhere
        else:
            refused[feature.name] = ~has_fresh_view
    return refused


def _absent_features(
    policy: CompletenessPolicy,
    frame: pl.DataFrame,
    instants: InstantColumns,
    late: Masks,
) -> Masks:
    absent = {}
    for feature in policy.features:
        is_absent = instants[feature.view].is_null()
        if not feature.nullable:
            is_absent = is_absent | frame[feature.name].is_null()
        absent[feature.name] = is_absent & ~late[feature.name]
    return absent


def _and_each(masks: Masks, conditions: Masks) -> Masks:
    return {name: mask & conditions[name] for name, mask in masks.items()}


def _any(masks: Masks) -> pl.Series:
    return reduce(or_, masks.values())


def _reason_codes(has_row: pl.Series, missing: pl.Series, stale: pl.Series) -> pl.Series:
    """Return the code of the error that `complete_row` raises for each row, or null, (n,)."""
    marks = pl.DataFrame({"has_row": has_row, "missing": missing, "stale": stale})
    code = (
        pl.when(~pl.col("has_row"))
        .then(pl.lit(EntityUnknown("").code))
        .when("missing")
        .then(pl.lit(FeaturesMissing("").code))
        .when("stale")
        .then(pl.lit(FeaturesStale("").code))
    )
    return marks.select(code.alias("reason")).to_series()


def _oldest(instants: InstantColumns, fresh: Masks, answered: pl.Series) -> pl.Series:
    """Return the oldest instant of the fresh views, where there is an answer, (n,)."""
    columns = []
    for view, instant in instants.items():
        null = pl.Series([None], dtype=instant.dtype)
        column = instant.zip_with(fresh[view] & answered, null)
        columns.append(column.alias(view))
    return pl.DataFrame(columns).min_horizontal()


def _names(masks: Masks) -> pl.Series:
    """Return for each row the names whose mask is true, in their order; (n,) lists."""
    true_somewhere = {name: mask for name, mask in masks.items() if mask.any()}
    if not true_somewhere:
        rows = len(next(iter(masks.values())))
        return pl.Series([[]], dtype=NAME_LISTS).new_from_index(0, rows)
    names_or_nulls = []
    for name in true_somewhere:
        is_true = pl.col(name)
        name_or_null = pl.when(is_true).then(pl.lit(name))
        names_or_nulls.append(name_or_null)
    names = pl.concat_list(names_or_nulls).list.drop_nulls()
    return pl.DataFrame(true_somewhere).select(names).to_series()


def _replace_defaulted(
    policy: CompletenessPolicy,
    frame: pl.DataFrame,
    defaulted: Masks,
) -> pl.DataFrame:
    """Return the features, with the default where it replaces the value."""
    columns = []
    for feature in policy.features:
        column = pl.col(feature.name)
        is_defaulted = defaulted[feature.name]
        if is_defaulted.any():
            data_type = frame.schema[feature.name]
            default = pl.lit(feature.default, dtype=data_type)
            replaced = pl.when(is_defaulted).then(default).otherwise(column)
            column = replaced.alias(feature.name)
        columns.append(column)
    return frame.select(columns)
