"""Which data of two passports differ.

They differ by drop and by the content of the columns that are read, and by nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamflow.catalog import load_catalog
from streamflow.core.training.training_set import Source
from streamflow.core.versions.data_comparison import (
    feature_differences,
    label_differences,
    missing_features,
    missing_labels,
)
from streamflow.core.versions.passport import Passport, merge_months

CATALOG = load_catalog(None)
DECEMBER, JANUARY, FEBRUARY = (
    datetime(*day, tzinfo=UTC) for day in ((2023, 12, 31), (2024, 1, 31), (2024, 2, 29))
)
USAGE = "usage_agg_30d"


def source(table: str, as_of: datetime, revision: int = 1, **columns: str) -> Source:
    known = dict.fromkeys(CATALOG.columns(table), "as ever") | columns
    return Source(
        table=table,
        as_of=as_of,
        revision=revision,
        known_at=FEBRUARY,
        rows=1,
        digest=str(columns),
        columns=known,
    )


def passport(as_of: datetime, label_as_of: datetime, *more: Source) -> Passport:
    there = {(s.table, s.as_of): s for s in more}
    named = [source(t, as_of) for t in CATALOG.feature_tables] + [source("labels", label_as_of)]
    sources = {(s.table, s.as_of): s for s in named} | there
    return Passport(
        as_of=as_of,
        label_as_of=label_as_of,
        label_lead=0,
        known_at=FEBRUARY,
        sources=tuple(sources.values()),
        features={},
        code={},
        environment={},
        configuration={},
        result={},
    )


def features(a: Passport, b: Passport) -> list[str]:
    return [str(d) for d in feature_differences(a, b, [CATALOG, CATALOG])]


A = passport(JANUARY, JANUARY)


def test_the_same_content_under_another_number_is_no_difference() -> None:
    again = passport(
        JANUARY,
        JANUARY,
        source(USAGE, JANUARY, 3),
        source("users", JANUARY, 2),
        source("labels", JANUARY, 2),
    )
    assert features(A, again) == []
    assert label_differences(A, again, [CATALOG, CATALOG]) == ()


@pytest.mark.parametrize(
    ("table", "column"), [("subscriptions", "total_paid"), ("users", "signup_date")]
)
def test_a_column_that_is_not_read_is_no_difference(table: str, column: str) -> None:
    assert (
        features(A, passport(JANUARY, JANUARY, source(table, JANUARY, 2, **{column: "other"})))
        == []
    )


def test_a_column_that_is_read_names_table_revision_and_column() -> None:
    corrected = passport(
        JANUARY, JANUARY, source(USAGE, JANUARY, 2, skips_7d="other", user_id="other")
    )
    assert features(A, corrected) == [
        "revision of usage_agg_30d of 2024-01-31: 1 -> 2 (different values in skips_7d, user_id)"
    ]
    assert label_differences(A, corrected, [CATALOG, CATALOG]) == ()


def test_labels_and_features_are_apart() -> None:
    relabelled = passport(JANUARY, FEBRUARY, source("labels", FEBRUARY, churn_label="other"))
    assert features(A, relabelled) == []
    assert [str(d) for d in label_differences(A, relabelled, [CATALOG, CATALOG])] == [
        "drop of the labels: 2024-01-31 -> 2024-02-29 (revision 1 -> 1,"
        " different values in churn_label)"
    ]
    same = passport(JANUARY, FEBRUARY)
    assert [d.note for d in label_differences(A, same, [CATALOG, CATALOG])] == ["the same values"]


def test_another_drop_is_a_difference_and_the_one_before_it_is_not_told_twice() -> None:
    later = passport(
        FEBRUARY, JANUARY, source(USAGE, FEBRUARY, skips_7d="other"), source(USAGE, JANUARY)
    )
    assert features(A, later) == [
        "drop of the features: 2024-01-31 -> 2024-02-29",
        "usage_agg_30d: 2024-01-31 -> 2024-02-29 (revision 1 -> 1, different values in skips_7d)",
    ]


def test_what_is_in_reach_behind_the_newest_drop_counts() -> None:
    with_december, corrected = (
        passport(JANUARY, JANUARY, source(USAGE, DECEMBER, number, skips_7d=value))
        for number, value in ((1, "as ever"), (2, "other"))
    )
    assert features(A, with_december) == ["usage_agg_30d: absent -> 2023-12-31 revision 1"]
    assert features(with_december, corrected) == [
        "revision of usage_agg_30d of 2023-12-31: 1 -> 2 (different values in skips_7d)"
    ]


def test_what_the_other_data_lack_is_named() -> None:
    def without(table: str, column: str | None) -> Passport:
        kept = tuple(
            replace(s, columns={n: d for n, d in s.columns.items() if n != column})
            if s.table == table
            else s
            for s in A.sources
            if column or s.table != table
        )
        return replace(A, sources=kept)

    assert missing_features(CATALOG, A, A) == missing_labels(CATALOG, A, A) == []
    assert missing_features(CATALOG, A, without(USAGE, "skips_7d")) == ["usage_agg_30d.skips_7d"]
    assert missing_features(CATALOG, A, without(USAGE, None)) == ["usage_agg_30d"]
    assert missing_labels(CATALOG, A, without("labels", "churn_label")) == ["labels.churn_label"]
    assert (
        missing_features(CATALOG, without(USAGE, "skips_7d"), without(USAGE, "skips_7d")) == []
    )  # nor had its own
    assert (
        missing_features(CATALOG, A, without("subscriptions", "total_paid")) == []
    )  # nobody reads it


def of_months(*months: Passport) -> Passport:
    return merge_months(months[-1], months)


def test_months_are_compared_from_the_newest_back() -> None:
    before = passport(DECEMBER, DECEMBER)
    both = of_months(before, A)
    assert both.months == (before, A)
    assert features(both, both) == []
    assert features(A, both) == ["number of months: 1 -> 2"]
    assert [str(d) for d in label_differences(both, A, [CATALOG, CATALOG])] == [
        "number of months: 2 -> 1"
    ]
    corrected = passport(DECEMBER, DECEMBER, source(USAGE, DECEMBER, 2, skips_7d="others"))
    assert features(both, of_months(corrected, A)) == [
        f"revision of {USAGE} of 2023-12-31: 1 -> 2 (different values in skips_7d)"
    ]
    later = of_months(A, passport(FEBRUARY, FEBRUARY))
    said = features(both, later)
    assert said[0] == "drop of the features: 2024-01-31 -> 2024-02-29"
    assert label_differences(both, later, [CATALOG, CATALOG])[1].what == (
        "drop of the labels, 1 month before"
    )
    assert "drop of the features, 1 month before: 2023-12-31 -> 2024-01-31" in said
