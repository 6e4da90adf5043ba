"""Guess how the catalog declares one column, and describe the guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from streamflow.catalog import Column
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_profile import ColumnProfile
from streamflow.core.onboarding.column_roles import KEY_ENDING

# How often a category must occur on average. If texts occur less often, the column is taken for
# one of names.
CATEGORY_ROWS = 3

MIN_TEXT_LENGTH = 32  # the smallest max_length that a guess declares


@dataclass(frozen=True, kw_only=True)
class ColumnGuess:
    """A column as it will be declared, and which part of the declaration is a guess."""

    name: str
    column: Column
    description: str


def guess_column(
    profile: ColumnProfile, *, view: str | None, taken: bool = False, missing: int = 0
) -> ColumnGuess:
    """Guess how the catalog declares one column.

    Args:
        profile: what the column holds.
        view: the view of its file; None for the file of the label, which feeds no view.
        taken: whether a different file has a feature of this name.
        missing: the number of keys that have no row in this file.

    >>> fee = ColumnProfile(
    ...     name="fee", kind="float", rows=9, empty=1, distinct=8,
    ...     low=5.0, high=80.0, longest=4, true=0,
    ... )
    >>> guess_column(fee, view="plans_fv").description
    'type and min, seen 5 to 80; nullable, 1 cell is empty'
    """
    kind = profile.kind or "string"
    categories = _guess_categories(profile)
    exclusion = _explain_exclusion(profile, categories, view=view, taken=taken)
    is_feature = bool(view) and not exclusion
    missing_rows = missing if is_feature else 0
    nullable = bool(profile.empty) or bool(missing_rows)
    is_free_text = kind == "string" and categories is None
    column = Column(
        type=kind,
        nullable=nullable,
        min=0 if profile.low is not None and profile.low >= 0 else None,
        categories=categories,
        max_length=room_for(profile.longest, MIN_TEXT_LENGTH) if is_free_text else None,
        view=view if is_feature else None,
        categorical=is_feature and (kind == "string" or (kind == "bool" and nullable)),
    )
    type_text = _describe_type(profile, column)
    null_text = _describe_nulls(profile, missing_rows)
    text = "; ".join(filter(None, [type_text, null_text, exclusion]))
    return ColumnGuess(name=profile.name, column=column, description=text)


def room_for(longest: int, smallest: int) -> int:
    """Return the power of two that allows twice the `longest` length, and at least `smallest`."""
    if not longest:
        return smallest
    return max(smallest, 1 << (2 * longest - 1).bit_length())


def _guess_categories(profile: ColumnProfile) -> tuple[str, ...] | None:
    """Return the categories of a column whose texts are few and occur often enough."""
    if profile.kind != "string" or not profile.texts:
        return None
    filled = profile.rows - profile.empty
    return profile.texts if len(profile.texts) * CATEGORY_ROWS <= filled else None


def _explain_exclusion(
    profile: ColumnProfile,
    categories: tuple[str, ...] | None,
    *,
    view: str | None,
    taken: bool,
) -> str:
    """Tell why a column is not a feature; empty when it is a feature."""
    if profile.kind in ("date", "timestamp"):
        return f"not a feature: a {profile.kind} cannot be one"
    if view is None:
        return "not a feature: it is in the file of the label"
    if taken:
        return "not a feature: a different file has a feature of this name"
    looks_like_key = bool(KEY_ENDING.search(profile.name)) or profile.name == "id"
    if categories is None and looks_like_key:
        return "not a feature: it looks like the key of something else"
    if profile.kind == "string" and categories is None:
        is_empty = profile.empty == profile.rows
        reason = "it is empty in every row" if is_empty else "it is free text"
        return f"not a feature: {reason}"
    return ""


def _describe_type(profile: ColumnProfile, column: Column) -> str:
    if column.categories is not None:
        return f"categories, the {len(column.categories)} that were seen"
    if column.max_length is not None:
        return f"max_length, longest seen {profile.longest}"
    if profile.low is not None:
        bound = "type and min" if column.min is not None else "type"
        return f"{bound}, seen {profile.low:.6g} to {profile.high:.6g}"
    return "type"


def _describe_nulls(profile: ColumnProfile, missing: int) -> str:
    reasons = list(_null_reasons(profile.empty, missing))
    return f"nullable, {' and '.join(reasons)}" if reasons else ""


def _null_reasons(empty: int, missing: int) -> Iterator[str]:
    if empty:
        yield f"{count_of(empty, 'cell is', 'cells are')} empty"
    if missing:
        yield f"{count_of(missing, 'key has', 'keys have')} no row here"
