"""The policy of completeness.py for a frame of rows, vectorized: what `score` asks for a whole drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

import polars as pl

from streamflow.core.serving.completeness import Policy
from streamflow.errors import EntityUnknown, FeaturesMissing, FeaturesStale

NAMES = pl.List(pl.String)
Masks = Mapping[str, pl.Series]  # feature or view -> true or false, (n,)


@dataclass(frozen=True, kw_only=True)
class CompletedFrame:
    """Rows in the order of the frame that was completed.

    values  (n, features)  complete where `reason` is null; elsewhere as they were given
    facts   (n, 6)         reason            null, or the code of the error that `complete_row` raises for this row
                           as_of             the instant of the oldest row that was used; null where there is a reason
                           defaulted, stale  as of `Completed`; empty where there is a reason
                           missing_features, stale_features   what is refused; empty where nothing is
    """

    values: pl.DataFrame
    facts: pl.DataFrame


def complete_frame(
    policy: Policy, frame: pl.DataFrame, as_of: Mapping[str, str], now: datetime
) -> CompletedFrame:
    """Complete each row at the instant `now`, as `Policy.complete_row` does one.

    frame   (n, ·)  the features of the policy by name, typed as the catalog says, and the columns that `as_of` names
    as_of           view -> the column with the instant of its row, Datetime us UTC; null where the view has none
    """
    instants = {view: frame[as_of[view]] for view in policy.views}
    no_view = pl.repeat(False, len(frame), eager=True)
    expired = {
        view: (instants[view] < now - limit).fill_null(False)
        for view, limit in policy.max_age.items()
    }
    late = {f.name: expired.get(f.view, no_view) for f in policy.features}
    absent = {
        f.name: (
            instants[f.view].is_null()
            if f.nullable
            else instants[f.view].is_null() | frame[f.name].is_null()
        )
        & ~late[f.name]
        for f in policy.features
    }
    used = {
        view: instants[view].is_not_null() & ~expired.get(view, no_view) for view in policy.views
    }
    helpless = ~_any(used)
    refused = {f.name: ~no_view if f.default is None else helpless for f in policy.features}
    missing = {name: mask & refused[name] for name, mask in absent.items()}
    stale = {name: mask & refused[name] for name, mask in late.items()}
    answered = ~(_any(missing) | _any(stale))
    defaulted = {name: answered & (absent[name] | late[name]) for name in policy.names}
    facts = {
        "reason": _reason(
            _any({view: at.is_not_null() for view, at in instants.items()}),
            _any(missing),
            _any(stale),
        ),
        "as_of": _oldest(instants, used, answered),
        "defaulted": _names(defaulted),
        "stale": _names({name: answered & mask for name, mask in late.items()}),
        "missing_features": _names(missing),
        "stale_features": _names(stale),
    }
    return CompletedFrame(values=_values(policy, frame, defaulted), facts=pl.DataFrame(facts))


def _any(masks: Masks) -> pl.Series:
    return reduce(or_, masks.values())


def _reason(known: pl.Series, missing: pl.Series, stale: pl.Series) -> pl.Series:
    """The code of what `complete_row` would raise, or null. (n,)"""
    marks = pl.DataFrame({"known": known, "missing": missing, "stale": stale})
    code = (
        pl.when(~pl.col("known"))
        .then(pl.lit(EntityUnknown("").code))
        .when("missing")
        .then(pl.lit(FeaturesMissing("").code))
        .when("stale")
        .then(pl.lit(FeaturesStale("").code))
    )
    return marks.select(code.alias("reason")).to_series()


def _oldest(instants: Masks, used: Masks, answered: pl.Series) -> pl.Series:
    """The oldest instant among the views that were used, where there is an answer. (n,)"""
    columns = [
        at.zip_with(used[view] & answered, pl.Series([None], dtype=at.dtype)).alias(view)
        for view, at in instants.items()
    ]
    return pl.DataFrame(columns).min_horizontal()


def _names(masks: Masks) -> pl.Series:
    """For each row the names whose mask is true, in their order; (n,) lists."""
    found = {name: mask for name, mask in masks.items() if mask.any()}
    if not found:
        return pl.Series([[]], dtype=NAMES).new_from_index(0, len(next(iter(masks.values()))))
    each = [pl.when(pl.col(name)).then(pl.lit(name)) for name in found]
    return pl.DataFrame(found).select(pl.concat_list(each).list.drop_nulls()).to_series()


def _values(policy: Policy, frame: pl.DataFrame, defaulted: Masks) -> pl.DataFrame:
    """The features with the default where it stands in."""
    replaced = [
        pl.when(defaulted[f.name])
        .then(pl.lit(f.default, dtype=frame.schema[f.name]))
        .otherwise(pl.col(f.name))
        .alias(f.name)
        if defaulted[f.name].any()
        else pl.col(f.name)
        for f in policy.features
    ]
    return frame.select(replaced)
