"""Which drops are known, and the newest that has labels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from streamflow.steps.training.months import find_months
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.known_drops import KnownDrops

JANUARY, FEBRUARY, MARCH = (
    datetime(2024, 1, 31, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2024, 3, 31, tzinfo=UTC),
)
K = datetime(2024, 4, 1, tzinfo=UTC)


def known(users: list[datetime], labels: list[datetime]) -> KnownDrops:
    deliveries = [("users", drop) for drop in users] + [("labels", drop) for drop in labels]
    revisions = tuple(
        Revision(table=table, as_of=as_of, revision=1, known_at=K, rows=1, digest="")
        for table, as_of in deliveries
    )
    return KnownDrops(known_at=K, revisions=revisions, entity_table="users", label_table="labels")


def test_a_drop_is_a_delivery_of_the_entity_table() -> None:
    assert known([FEBRUARY, JANUARY], [MARCH]).drops == [JANUARY, FEBRUARY]
    assert known([JANUARY], []).listed == "2024-01-31"
    assert known([], []).listed == "none"


@pytest.mark.parametrize(
    ("as_of", "lead", "label_drop"),
    [
        (JANUARY, 0, JANUARY),
        (JANUARY, 1, FEBRUARY),
        (JANUARY, 2, MARCH),
        (JANUARY, 3, None),
        (MARCH, 1, None),
    ],
)
def test_labels_are_dated_by_a_drop_of_exactly_this_lead(
    as_of: datetime, lead: int, label_drop: datetime | None
) -> None:
    assert known([JANUARY, FEBRUARY, MARCH], []).find_label_drop(as_of, lead) == label_drop


@pytest.mark.parametrize(
    ("labels", "lead", "before", "pair"),
    [
        ([JANUARY, FEBRUARY, MARCH], 0, None, (MARCH, MARCH)),
        ([JANUARY, FEBRUARY], 0, None, (FEBRUARY, FEBRUARY)),
        ([JANUARY, FEBRUARY], 0, FEBRUARY, (JANUARY, JANUARY)),
        ([MARCH], 1, None, (FEBRUARY, MARCH)),
        ([FEBRUARY], 1, None, (JANUARY, FEBRUARY)),
        ([JANUARY], 1, None, None),
        ([], 0, None, None),
    ],
)
def test_the_newest_drop_whose_labels_are_known(
    labels: list[datetime],
    lead: int,
    before: datetime | None,
    pair: tuple[datetime, datetime] | None,
) -> None:
    drops = known([JANUARY, FEBRUARY, MARCH], labels).find_newest_labelled(
        lead, earlier_than=before
    )
    assert (None if drops is None else (drops.as_of, drops.label_as_of)) == pair
    assert drops is None or (drops.label_lead, drops.known_at) == (lead, K)


def at(month: int, day: int) -> datetime:
    return datetime(2024, month, day, tzinfo=UTC)


MICROSECOND = timedelta(microseconds=1)


def test_a_month_is_as_known_before_the_next_one_was_complete() -> None:
    """February is complete with its late labels; a correction of January in between counts."""
    drops = known([JANUARY, FEBRUARY, MARCH], [JANUARY, FEBRUARY, MARCH])
    first_known = {
        ("users", JANUARY): at(2, 5),
        ("labels", JANUARY): at(2, 5),
        ("users", FEBRUARY): at(3, 5),
        ("labels", FEBRUARY): at(3, 20),
        ("users", MARCH): at(4, 2),
        ("labels", MARCH): at(4, 2),
    }
    newest = drops.training_drops(MARCH, MARCH, 0)
    months = drops.find_months(newest, 3, first_known)
    assert [month.as_of for month in months] == [JANUARY, FEBRUARY, MARCH]
    assert [month.known_at for month in months] == [
        at(3, 20) - MICROSECOND,
        at(4, 2) - MICROSECOND,
        K,
    ]
    assert drops.find_months(newest, 9, first_known) == months
    assert drops.find_months(newest, 1, first_known) == [newest]


def test_a_month_that_came_late_is_as_known_when_it_was_complete() -> None:
    drops = known([JANUARY, FEBRUARY], [JANUARY, FEBRUARY])
    first_known = {
        ("users", JANUARY): at(3, 25),
        ("labels", JANUARY): at(3, 26),
        ("users", FEBRUARY): at(3, 5),
        ("labels", FEBRUARY): at(3, 5),
    }
    [january, _] = drops.find_months(drops.training_drops(FEBRUARY, FEBRUARY, 0), 2, first_known)
    assert january.known_at == at(3, 26)


def test_months_have_the_label_lead_and_leave_out_drops_without_labels() -> None:
    """With a lead of 1, the labels of January are in February, which has none."""
    drops = known([JANUARY, FEBRUARY, MARCH], [JANUARY, MARCH])
    first_known = dict.fromkeys(
        [(table, drop) for table in ("users", "labels") for drop in (JANUARY, FEBRUARY, MARCH)],
        at(4, 1),
    )
    newest = drops.training_drops(FEBRUARY, MARCH, 1)
    assert drops.find_months(newest, 2, first_known) == [newest]
    without_lead = drops.training_drops(MARCH, MARCH, 0)
    months = drops.find_months(without_lead, 2, first_known)
    assert [month.as_of for month in months] == [JANUARY, MARCH]


def test_a_lead_counts_drops_forward() -> None:
    with pytest.raises(ValueError, match="label_lead: expected 0 or more drops, got -1"):
        known([JANUARY, FEBRUARY, MARCH], [MARCH]).find_label_drop(JANUARY, -1)


@pytest.mark.parametrize("count", [0, -2])
def test_less_than_one_month_is_refused(count: int) -> None:
    drops = known([JANUARY], [JANUARY])
    newest = drops.training_drops(JANUARY, JANUARY, 0)
    with pytest.raises(ValueError, match=f"months: expected 1 or more, got {count}"):
        find_months(None, drops, newest, count)  # type: ignore[arg-type]
