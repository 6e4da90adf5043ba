"""Guess how the catalog declares one column, and describe the guess."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from streamflow.catalog import Column
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.column_profile import MAX_CATEGORIES, ColumnProfile
from streamflow.core.onboarding.column_roles import KEY_ENDING, ROW_NUMBER_NAME
from streamflow.core.onboarding.label_column import OUTCOME_NAME

# How often a category must occur on average. If texts occur less often, the column is taken for
# one of names.
CATEGORY_ROWS = 3

MIN_TEXT_LENGTH = 32  # the smallest max_length that a guess declares


@dataclass(frozen=True, kw_only=True)
class ColumnGuess:
    """A column as it will be declared, and which part of the declaration is a guess.

    exclusion  why the column is no feature; empty if it is one
    """

    name: str
    column: Column
    description: str
    exclusion: str = ""


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What a file says about the nulls of its columns, and which columns cannot be features.

    view       the view of the file; None for the file of the label, which feeds no view
    missing    the number of keys that have no row in the file
    nulls      the words that mean a null
    taken      the names of features of different files
    outcomes   the names of columns that say the same as the label
    """

    view: str | None
    missing: int = 0
    nulls: Collection[str] = ()
    taken: Collection[str] = ()
    outcomes: Collection[str] = ()


def guess_column(profile: ColumnProfile, facts: FileFacts) -> ColumnGuess:
    """Guess how the catalog declares one column.

    >>> fee = ColumnProfile(
    ...     name="fee", header="fee", kind="float", rows=9, empty=1, fitting=8,
    ...     low=5.0, high=80.0, longest=4,
    ... )
    >>> guess_column(fee, FileFacts(view="plans_fv")).description
    'type and min, seen 5 to 80; nullable, 1 cell is empty'
    """
    kind = profile.kind or "string"
    categories = _guess_categories(profile, facts.nulls)
    exclusion = next(_list_exclusions(profile, categories, facts), "")
    is_feature = bool(facts.view) and not exclusion
    missing_rows = facts.missing if is_feature else 0
    null_cells = _count_nulls(profile, facts.nulls)
    # Of a column with many different texts nobody counted how often it holds a word for null.
    is_uncounted = kind == "string" and profile.values is None and bool(facts.nulls)
    nullable = bool(profile.empty or missing_rows or null_cells) or is_uncounted
    is_free_text = kind == "string" and categories is None
    column = Column(
        type=kind,
        nullable=nullable,
        min=0 if profile.low is not None and profile.low >= 0 else None,
        categories=categories,
        max_length=room_for(profile.longest, MIN_TEXT_LENGTH) if is_free_text else None,
        view=facts.view if is_feature else None,
        categorical=is_feature and (kind == "string" or (kind == "bool" and nullable)),
        header=profile.header if profile.header != profile.name else None,
    )
    type_text = _describe_type(profile, column)
    null_text = _describe_nulls(profile.empty, null_cells, missing_rows)
    exclusion_text = f"not a feature: {exclusion}" if exclusion else ""
    text = "; ".join(filter(None, [type_text, null_text, exclusion_text]))
    return ColumnGuess(name=profile.name, column=column, description=text, exclusion=exclusion)


def room_for(longest: int, smallest: int) -> int:
    """Return the power of two that allows twice the `longest` length, and at least `smallest`."""
    if not longest:
        return smallest
    return max(smallest, 1 << (2 * longest - 1).bit_length())


def _count_nulls(profile: ColumnProfile, nulls: Collection[str]) -> int:
    """Return how many cells hold blanks or a word that means a null."""
    odd_nulls = 0
    for cell in profile.odd:
        bare = cell.value.strip()
        if not bare or bare in nulls or cell.value in nulls:
            odd_nulls += cell.count
    if profile.kind not in ("string", None):
        return odd_nulls
    return odd_nulls + sum(profile.count_value(word) for word in nulls)


def _guess_categories(profile: ColumnProfile, nulls: Collection[str]) -> tuple[str, ...] | None:
    """Return the categories of a column whose texts are few and occur often enough."""
    if profile.kind != "string" or not profile.texts or profile.mixed:
        return None
    texts = tuple(text for text in profile.texts if text not in nulls)
    filled = profile.rows - profile.empty - _count_nulls(profile, nulls)
    return texts if texts and len(texts) * CATEGORY_ROWS <= filled else None


def _list_exclusions(
    profile: ColumnProfile,
    categories: tuple[str, ...] | None,
    facts: FileFacts,
) -> Iterator[str]:
    """Tell why a column is not a feature; nothing when it is a feature."""
    if profile.kind in ("date", "timestamp"):
        yield f"a {profile.kind} cannot be one"
    if facts.view is None:
        yield "it is in the file of the label"
    if profile.name in facts.outcomes:
        yield "it says the same as the label"
    if OUTCOME_NAME.search(profile.name):
        yield "its name speaks of the outcome; give it a view if it is known before"
    if profile.name in facts.taken:
        yield "a different file has a feature of this name"
    if profile.numbers_rows and ROW_NUMBER_NAME.search(profile.name):
        yield "it numbers the rows"
    looks_like_key = bool(KEY_ENDING.search(profile.name)) or profile.name == "id"
    if categories is None and looks_like_key:
        yield "it looks like the key of something else"
    if profile.kind in ("string", None) and categories is None:
        yield _explain_text(profile)


def _explain_text(profile: ColumnProfile) -> str:
    """Tell why a column of text is not one of categories."""
    if profile.mixed:
        return "some numbers have a fraction, others more digits than a float keeps"
    if profile.empty == profile.rows:
        return "it is empty in every row"
    if profile.values is not None and len(profile.values) <= MAX_CATEGORIES:
        return f"it is free text: {count_of(len(profile.values), 'different value')} in few rows"
    return f"it is free text: more than {MAX_CATEGORIES} different values"


def _describe_type(profile: ColumnProfile, column: Column) -> str:
    if column.categories is not None:
        return f"categories, the {len(column.categories)} that were seen"
    if column.max_length is not None:
        return f"max_length, longest seen {profile.longest}"
    if profile.low is not None:
        bound = "type and min" if column.min is not None else "type"
        return f"{bound}, seen {profile.low:.6g} to {profile.high:.6g}"
    return "type"


def _describe_nulls(empty: int, null_cells: int, missing: int) -> str:
    reasons = list(_null_reasons(empty, null_cells, missing))
    return f"nullable, {' and '.join(reasons)}" if reasons else ""


def _null_reasons(empty: int, null_cells: int, missing: int) -> Iterator[str]:
    if empty:
        yield f"{count_of(empty, 'cell is', 'cells are')} empty"
    if null_cells:
        yield f"{count_of(null_cells, 'cell holds', 'cells hold')} a word for null"
    if missing:
        yield f"{count_of(missing, 'key has', 'keys have')} no row here"
