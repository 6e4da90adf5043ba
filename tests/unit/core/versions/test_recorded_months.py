"""The months of a passport: which revisions each reads, written and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamflow.core.training.training_set import Source
from streamflow.core.versions.passport import (
    MONTHS_SCHEMA,
    Passport,
    merge_months,
    pair_months,
    parse_passport,
)
from streamflow.core.versions.recorded_months import join_sources, read_months, record_months

DECEMBER, JANUARY, FEBRUARY = (
    datetime(*day, tzinfo=UTC) for day in ((2023, 12, 31), (2024, 1, 31), (2024, 2, 29))
)


def source(as_of: datetime, revision: int = 1) -> Source:
    return Source(
        table="users",
        as_of=as_of,
        revision=revision,
        known_at=FEBRUARY,
        rows=1,
        digest=f"{as_of} {revision}",
        columns={},
    )


def passport(as_of: datetime, *sources: Source) -> Passport:
    return Passport(
        as_of=as_of,
        label_as_of=as_of,
        label_lead=0,
        known_at=as_of,
        sources=sources,
        features={},
        code={},
        environment={},
        configuration={},
        result={},
    )


# January looks back at a December that was corrected later; December was as it was known then.
MONTHS = (
    passport(DECEMBER, source(DECEMBER)),
    passport(JANUARY, source(JANUARY), source(DECEMBER, 2)),
)


def test_two_months_may_read_two_revisions_of_one_drop() -> None:
    both = merge_months(MONTHS[1], MONTHS)
    assert both.months == MONTHS
    assert [s.revision for s in both.sources if s.as_of == DECEMBER] == [1, 2]
    assert both.as_of == JANUARY
    written = both.values["levels"]["data"]["months"]
    assert read_months(written, both.sources) == both.recorded_months


def test_one_month_is_recorded_as_before_there_were_months() -> None:
    assert record_months(MONTHS[:1]) == ()
    assert merge_months(MONTHS[0], MONTHS[:1]) == MONTHS[0]
    assert MONTHS[0].months == (MONTHS[0],)
    assert "months" not in MONTHS[0].values["levels"]["data"]


def test_a_revision_is_named_once_and_each_is_of_a_month() -> None:
    sources = join_sources([*MONTHS, MONTHS[1]])
    assert len(sources) == 3
    written = [month.values for month in record_months(MONTHS)]
    with pytest.raises(ValueError, match="not made of exactly the revisions"):
        read_months(written, sources[:2])
    with pytest.raises(ValueError, match="not made of exactly the revisions"):
        read_months(written, join_sources([*MONTHS, passport(FEBRUARY, source(FEBRUARY))]))


def test_months_of_two_sets_are_paired_by_name() -> None:
    one = {"rows": 1, "digest": "a"}
    many = {"rows": 2, "digest": "b", "months": {"2023-12-31": one, "2024-01-31": one}}
    other = {"rows": 1, "digest": "c", "months": {"2024-01-31": one}}
    assert pair_months(one, one) == [("", one, one)]
    assert pair_months(many, other) == [("2023-12-31", one, None), ("2024-01-31", one, one)]


def test_a_passport_whose_months_contradict_it_is_refused() -> None:
    written = [month.values for month in record_months(MONTHS)]
    sources = join_sources(MONTHS)
    for months in (written[::-1], [written[1], written[1]], written[1:], []):
        with pytest.raises(ValueError, match="two or more different months, the oldest first"):
            read_months(months, sources)
    metrics = {"metrics": {}}
    both = replace(merge_months(MONTHS[1], MONTHS), schema=MONTHS_SCHEMA, result=metrics)
    assert parse_passport(json.dumps(both.values).encode()) == both
    other = replace(both, known_at=FEBRUARY)
    with pytest.raises(ValueError, match="its dates are not those of its newest month"):
        parse_passport(json.dumps(other.values).encode())
