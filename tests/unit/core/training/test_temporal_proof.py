"""The temporal proof: clean where the platform's join is right, and exact where it is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.temporal import (
    DTYPES,
    KEY,
    TYPES,
    Content,
    audit,
    frozen,
    in_zone,
    in_zones,
    joined,
    one_row_of_the_future,
    planted,
    reading,
)

from streamflow.core.training.certificate import (
    Certificate,
    KeyScope,
    are_comparable,
    certificate_differences,
    choose_scope,
)
from streamflow.core.training.row_sources import (
    DatedRevision,
    Reading,
    admissible_revisions,
    microseconds,
    missing_keys,
)
from streamflow.core.training.split import is_holdout
from streamflow.core.training.violations import differing_bits

MICROSECOND, DAY = timedelta(microseconds=1), timedelta(days=1)
TTL = 62 * DAY
JANUARY, FEBRUARY = datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)
LATER = datetime(2024, 6, 1, tzinfo=UTC)

VALUES = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.booleans(),
    st.none()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4),
)
KEYS = {"string": ["a", "b", "c", "Zoë"], "int": [1, 2, 10, -7]}


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[Content], Reading, str]:
    """A history with corrections that change, add and remove, and a reading.

    The reading is at one of its instants, or just beside it.
    """
    kind = draw(st.sampled_from(["string", "int"]))
    contents = []
    for as_of in draw(
        st.sets(
            st.sampled_from([JANUARY, FEBRUARY, JANUARY + TTL, JANUARY + MICROSECOND]), min_size=1
        )
    ):
        known_at = as_of
        for revision in range(1, draw(st.integers(1, 3)) + 1):
            known_at += draw(st.sampled_from([MICROSECOND, DAY, 40 * DAY]))
            rows = draw(st.dictionaries(st.sampled_from(KEYS[kind]), VALUES, min_size=1))
            contents.append(Content(place=DatedRevision(as_of, revision, known_at), rows=rows))
    around = st.sampled_from([-MICROSECOND, timedelta(0), MICROSECOND])
    instants = [c.place.as_of + span for c in contents for span in (timedelta(0), TTL)]
    as_of = draw(st.sampled_from(instants)) + draw(around)
    known_at = draw(st.sampled_from([c.place.known_at for c in contents])) + draw(around)
    return contents, reading(as_of, known_at), kind


def posed(
    question: tuple[list[Content], Reading, str],
) -> tuple[pl.DataFrame, pl.DataFrame, list[DatedRevision], Reading]:
    """The set that the platform's join makes, and what the proof takes."""
    contents, asked, kind = question
    places = [c.place for c in contents]
    rows = frozen(contents, asked, DTYPES[kind])
    keys = pl.Series(KEY, KEYS[kind], dtype=DTYPES[kind])
    return joined(keys, rows, places, asked), rows, places, asked


@given(question=questions())
def test_the_platforms_own_join_is_clean(question: tuple[list[Content], Reading, str]) -> None:
    frame, rows, places, asked = posed(question)
    whole, parts = audit(frame, rows, places, asked), audit(frame, rows, places, asked, chunk=1)
    assert (whole.count, whole.violations) == (0, [])
    assert parts.certificate_part == whole.certificate_part


@given(question=questions(), data=st.data())
def test_one_wrong_cell_is_found_and_no_other(
    question: tuple[list[Content], Reading, str], data: st.DataObject
) -> None:
    frame, rows, places, asked = posed(question)
    row, column = data.draw(st.integers(0, len(frame) - 1)), data.draw(st.sampled_from(list(TYPES)))
    right = frame[column][row]
    value = data.draw(
        VALUES.map(lambda v: v[list(TYPES).index(column)]).filter(
            lambda v: v != right or type(v) is not type(right)
        )
    )
    found = audit(planted(frame, row, column, value), rows, places, asked)
    assert found.count == 1
    [violation] = found.violations
    assert (violation.key, violation.what) == (frame[KEY][row], f"plan_fv:{column}")
    assert (violation.found, violation.expected) == (value, right)
    assert (
        found.certificate_part == audit(frame, rows, places, asked).certificate_part
    )  # what belongs there does not depend on what is there


# --- boundaries -----------------------------------------------------------------------

ONE = "tenure"


def seen(contents: list[Content], asked: Reading, value: int | None) -> list[str]:
    """What the proof says of a set with one key `a` that has `value`."""
    rows = frozen(contents, asked, pl.String())
    frame = pl.DataFrame({KEY: ["a"], ONE: [value]}, schema={KEY: pl.String, ONE: pl.Int64})
    return [v.why for v in audit(frame, rows, [c.place for c in contents], asked).violations]


def content(
    as_of: datetime, known_at: datetime, value: int | None, *, revision: int = 1
) -> Content:
    return Content(
        place=DatedRevision(as_of, revision, known_at),
        rows={} if value is None else {"a": (value,)},
    )


BERLIN, NEW_YORK, KOLKATA = (
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("America/New_York"),
    ZoneInfo("Asia/Kolkata"),
)


@pytest.mark.parametrize("zone", [UTC, BERLIN, NEW_YORK, KOLKATA], ids=str)
@pytest.mark.parametrize(
    ("moved", "valid", "why"),
    [
        ({"as_of": JANUARY - MICROSECOND}, True, ""),
        ({"as_of": JANUARY}, True, ""),
        ({"as_of": JANUARY + MICROSECOND}, False, "after 2024-01-31"),
        ({"known_at": LATER - MICROSECOND}, True, ""),
        ({"known_at": LATER}, True, ""),
        ({"known_at": LATER + MICROSECOND}, False, "known only after 2024-06-01"),
        ({"as_of": JANUARY - TTL + MICROSECOND}, True, ""),
        ({"as_of": JANUARY - TTL}, True, ""),
        ({"as_of": JANUARY - TTL - MICROSECOND}, False, "more than 62 days before 2024-01-31"),
    ],
    ids=str,
)
def test_a_microsecond_decides_in_every_time_zone(
    zone: Any, moved: dict[str, datetime], valid: bool, why: str
) -> None:
    made = {"as_of": JANUARY, "known_at": FEBRUARY, **moved}
    history = [content(made["as_of"], made["known_at"], 5)]
    history = [replace(c, place=in_zone(c.place, zone)) for c in history]
    asked = in_zones(reading(JANUARY, LATER, tenure="int"), zone)
    assert seen(history, asked, 5 if valid else None) == []
    assert seen(history, asked, None if valid else 5) == (
        ["no frozen row of this key holds that value"] if valid else [why]
    )


@pytest.mark.parametrize(
    "day",
    [datetime(2024, 3, 31, tzinfo=UTC), datetime(2024, 10, 27, tzinfo=UTC)],
    ids=["spring", "autumn"],
)
def test_the_ttl_is_a_span_of_time_also_where_the_clocks_change(day: datetime) -> None:
    asked = in_zones(reading(day + DAY, LATER + 300 * DAY, ttl=2 * DAY, tenure="int"), BERLIN)
    known = LATER
    for moved, value in ((-MICROSECOND, None), (timedelta(0), 5), (MICROSECOND, 5)):
        at = day - DAY + moved  # exactly 48 hours before, which are 47 or 49 on Berlin's clocks
        assert at.astimezone(BERLIN).utcoffset() != asked.as_of.utcoffset()
        assert seen([content(at, known, 5)], asked, value) == []


def test_an_hour_that_comes_twice_is_two_hours() -> None:
    first = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)
    second = first.replace(fold=1)
    assert microseconds(second) - microseconds(first) == 3_600_000_000
    history = [content(second, LATER, 5)]
    assert seen(history, reading(first, LATER + 300 * DAY, tenure="int"), None) == []
    assert seen(history, reading(second, LATER + 300 * DAY, tenure="int"), 5) == []


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError, match="offset-naive"):
        admissible_revisions(
            [DatedRevision(JANUARY.replace(tzinfo=None), 1, LATER)], reading(JANUARY, LATER)
        )


# --- what a violation says ------------------------------------------------------------


def test_each_way_of_being_wrong_is_told_with_its_instants() -> None:
    history = [
        content(JANUARY - 70 * DAY, FEBRUARY, 1),
        content(JANUARY - 30 * DAY, FEBRUARY, 2),
        content(JANUARY, FEBRUARY, 3),
        content(JANUARY, FEBRUARY + DAY, 4, revision=2),
        content(JANUARY, LATER + DAY, 5, revision=3),
        content(FEBRUARY, LATER, 6),
    ]
    asked = reading(JANUARY, LATER, tenure="int")
    rows, places = frozen(history, asked, pl.String()), [c.place for c in history]
    told = {}
    for value in (1, 2, 3, 5, 6, 7, None):
        [wrong] = audit(
            pl.DataFrame({KEY: ["a"], ONE: pl.Series([value], dtype=pl.Int64)}), rows, places, asked
        ).violations
        assert (wrong.expected, wrong.as_of, wrong.known_at) == (4, JANUARY, FEBRUARY + DAY)
        told[value] = (wrong.from_as_of, wrong.from_known_at, wrong.why)
    assert told == {
        1: (JANUARY - 70 * DAY, FEBRUARY, "more than 62 days before 2024-01-31"),
        2: (JANUARY - 30 * DAY, FEBRUARY, "older than the row of 2024-01-31"),
        3: (JANUARY, FEBRUARY, "of revision 1, which a newer revision had replaced by 2024-06-01"),
        5: (JANUARY, LATER + DAY, "known only after 2024-06-01"),
        6: (FEBRUARY, LATER, "after 2024-01-31"),
        7: (None, None, "no frozen row of this key holds that value"),
        None: (None, None, "no frozen row of this key holds that value"),
    }
    [leak] = audit(pl.DataFrame({KEY: ["a"], ONE: [6]}), rows, places, asked).violations
    assert str(leak) == (
        "a plan_fv:tenure: the set has 6, expected 4 (as_of 2024-01-31, known at 2024-03-01):"
        " the value in the set is from as_of 2024-02-29, known at 2024-06-01, after 2024-01-31"
    )


def test_a_key_that_a_correction_took_away_does_not_come_back() -> None:
    history = [content(JANUARY, FEBRUARY, 3), content(JANUARY, FEBRUARY + DAY, None, revision=2)]
    asked = reading(JANUARY, LATER, tenure="int")
    assert seen(history, asked, None) == []
    assert seen(history, asked, 3) == [
        "of revision 1, which a newer revision had replaced by 2024-06-01"
    ]


def test_a_label_is_that_of_exactly_its_drop() -> None:
    asked = replace(
        reading(FEBRUARY, LATER, ttl=timedelta(0), churned="bool"), name="labels", table="labels"
    )
    history = [
        Content(place=DatedRevision(at, 1, LATER), rows={"a": (at == FEBRUARY,)})
        for at in (JANUARY, FEBRUARY)
    ]
    rows, places = frozen(history, asked, pl.String()), [c.place for c in history]
    frame = pl.DataFrame({KEY: ["a"], "churned": [True]})
    assert audit(frame, rows, places, asked).count == 0
    [wrong] = audit(planted(frame, 0, "churned", value=False), rows, places, asked).violations
    assert (wrong.what, wrong.from_as_of, wrong.why) == (
        "labels:churned",
        JANUARY,
        "not of 2024-02-29",
    )
    early = audit(frame, rows, places[:1], replace(asked, as_of=FEBRUARY))
    assert [(w.expected, w.as_of) for w in early.violations] == [(None, None)]


def test_a_key_has_to_be_there_and_no_key_may_lack() -> None:
    asked = replace(
        reading(JANUARY, LATER, ttl=timedelta(0)), name="users", table="users", types={}
    )
    rows = frozen(
        [Content(place=DatedRevision(JANUARY, 1, FEBRUARY), rows={"a": (), "b": ()})],
        asked,
        pl.String(),
    )
    found = audit(
        pl.DataFrame({KEY: ["a", "x"]}), rows, [DatedRevision(JANUARY, 1, FEBRUARY)], asked
    )
    assert [str(v) for v in found.violations] == [
        "x users: the key does not exist as of 2024-01-31"
    ]
    people = pl.Series(["a", "b", "c", "d"])
    assert missing_keys(pl.Series(["a"]), people, pl.Series(["d", "b", "a", "z"])) == ["b", "d"]
    assert missing_keys(pl.Series([1, 2]), pl.Series([1, 2, 10, 9]), pl.Series([10, 9, 1])) == [
        9,
        10,
    ]


def test_bits_are_compared_and_null_is_no_number() -> None:
    pairs = [
        (None, None),
        (nan, nan),
        (None, nan),
        (0.0, -0.0),
        (None, 0.0),
        (0.1 + 0.2, 0.3),
        (1.0, 1.0),
    ]
    found, expected = (pl.Series("x", side, dtype=pl.Float64) for side in zip(*pairs, strict=True))
    assert differing_bits(found, expected, "float").tolist() == [
        False,
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    assert differing_bits(
        pl.Series(["", None, "a"]), pl.Series([None, None, "a"]), "string"
    ).tolist() == [
        True,
        False,
        False,
    ]
    with pytest.raises(TypeError, match="'x' is Float64 in the set and Int64 in the frozen rows"):
        differing_bits(pl.Series("x", [3.5]), pl.Series("x", [3]), "int")


def test_one_planted_row_of_the_future_is_found_exactly_it() -> None:
    clean, leaking, march = one_row_of_the_future(20_000)
    assert (clean.count, clean.violations) == (0, [])
    assert leaking.count == len(leaking.violations) == 2
    assert {(v.key, v.what, v.found) for v in leaking.violations} == {
        (march[KEY][0], f"plan_fv:{name}", march[name][0]) for name in ("tenure", "fee")
    }
    assert {(v.from_as_of, v.from_known_at) for v in leaking.violations} == {
        (march["as_of"][0], march["known_at"][0])
    }
    assert leaking.certificate_part == clean.certificate_part


def test_all_violations_are_counted_and_the_first_are_kept() -> None:
    history = [
        Content(place=DatedRevision(JANUARY, 1, FEBRUARY), rows={f"{n}": (n,) for n in range(50)})
    ]
    asked = reading(JANUARY, LATER, tenure="int")
    rows = frozen(history, asked, pl.String())
    frame = rows.select(KEY, pl.col(ONE) + 1)
    found = audit(frame, rows, [history[0].place], asked, limit=7, chunk=3)
    assert (found.count, len(found.violations)) == (50, 7)


# --- the certificate ------------------------------------------------------------------


def certificate(contents: list[Content], asked: Reading, **facts: Any) -> Certificate:
    frame, rows, places, asked = posed((contents, asked, "string"))
    values = {
        "engine": "pandas 1",
        "rows": 4,
        "cells": 16,
        "checked": 16,
        "sampled": False,
        "violations": 0,
        **facts,
    }
    return Certificate(**values, parts=(audit(frame, rows, places, asked).certificate_part,))


def test_a_certificate_names_what_changed_and_no_key() -> None:
    row = (1, 2.0, True, "Zoë")
    history = [Content(place=DatedRevision(JANUARY, 1, FEBRUARY), rows={"a": row, "Zoë": row})]
    asked = reading(JANUARY, LATER)
    made = certificate(history, asked)
    recorded = made.values
    assert "Zo" not in repr(recorded)
    assert recorded["parts"][0]["as_of"] == "2024-01-31T00:00:00+00:00"
    assert certificate_differences(recorded, replace(made, engine="pandas 9")) == ()
    later = [replace(history[0], place=DatedRevision(JANUARY, 1, FEBRUARY + MICROSECOND))]
    changed = certificate_differences(recorded, certificate(later, asked))
    assert [d.what for d in changed] == ["digest", "plan_fv newest known_at", "plan_fv digest"]
    other = [replace(history[0], rows={"a": (2, *row[1:]), "Zoë": row})]
    assert [d.what for d in certificate_differences(recorded, certificate(other, asked))] == [
        "digest",
        "plan_fv digest",
    ]
    assert [d.what for d in certificate_differences({}, made)] == ["certificate"]


def test_of_a_sample_and_a_whole_only_what_both_say_is_compared() -> None:
    history = [Content(place=DatedRevision(JANUARY, 1, FEBRUARY), rows={"a": (1, 2.0, True, "x")})]
    whole = certificate(history, reading(JANUARY, LATER))
    recorded = replace(whole, sampled=True, checked=8, parts=()).values
    assert not are_comparable(recorded, whole)
    assert certificate_differences(recorded, whole) == ()
    assert [
        str(d) for d in certificate_differences(recorded, replace(whole, rows=5, violations=2))
    ] == [
        "rows: 4 -> 5",
        "violations: 0 -> 2",
    ]


def test_a_sample_is_the_same_under_any_order_and_takes_both_sides_of_the_split() -> None:
    keys = pl.Series([f"{n:05}" for n in range(3000)])
    scope = choose_scope(keys, width=10, full=False, sample=10_000)
    held = keys.filter(pl.Series(scope.includes(keys)))
    assert len(held) == 1000
    assert choose_scope(keys.reverse(), width=10, full=False, sample=10_000) == scope
    assert 0.2 < is_holdout(held, salt="streamflow", share=0.25).mean() < 0.3
    assert (
        choose_scope(keys, width=10, full=True, sample=10_000)
        == choose_scope(keys, width=3, full=False, sample=9_000)
        == KeyScope()
    )
