"""The chain, which version served, what a rollback restores.

And which version serves when MLflow and the ledger disagree.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.core.promotion.ledger import (
    FIRST_HASH,
    MOVES,
    Action,
    Entry,
    find_first_broken,
    find_last_move,
    format_head,
    is_behind,
    rollback_version,
)
from streamflow.core.promotion.stage_holder import resolve_stage_holder

START = datetime(2024, 3, 1, tzinfo=UTC)
actions = st.sampled_from(["promoted", "rolled back", "outside", "refused", "repaired"])
moves = st.lists(st.tuples(actions, st.none() | st.integers(1, 5)), max_size=12)
versions = st.none() | st.integers(1, 4)


def chain(steps: list[tuple[Action, int | None]]) -> list[Entry]:
    entries: list[Entry] = []
    for number, (action, version) in enumerate(steps, 1):
        at = START + timedelta(hours=number)
        last_move = find_last_move(entries)
        entry = Entry(
            seq=number,
            at=at,
            who="me",
            model="m",
            action=action,
            stage="Production",
            from_version=last_move.to_version if last_move else None,
            to_version=version,
            since=at,
            forced=False,
            why="",
            evidence_digest="",
            evidence="",
            previous=entries[-1].hash if entries else FIRST_HASH,
        )
        entries.append(replace(entry, hash=entry.content_hash))
    return entries


@given(moves, st.data())
def test_any_change_of_any_field_is_named_at_its_entry(
    steps: list[tuple[Action, int | None]], data: st.DataObject
) -> None:
    entries = chain(steps)
    assert find_first_broken(entries) is None
    if not entries:
        return
    place = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from([f.name for f in fields(Entry) if f.name != "seq"]))
    other = {"at": START, "since": START, "from_version": 77, "to_version": 77, "forced": True}.get(
        name, "something else"
    )
    changed = [*entries[:place], replace(entries[place], **{name: other}), *entries[place + 1 :]]
    broken = find_first_broken(changed)
    assert broken is not None
    assert broken[0] == place + 1


@given(moves.filter(bool), st.data())
def test_a_missing_entry_is_named_wherever_it_stood(
    steps: list[tuple[Action, int | None]], data: st.DataObject
) -> None:
    entries = chain(steps)
    head = format_head(entries[-1])
    place = data.draw(st.integers(0, len(entries) - 1))
    broken = find_first_broken([*entries[:place], *entries[place + 1 :]], head)
    assert broken is not None
    assert broken[0] == place + 1


def test_what_mlflow_was_told_may_be_older_but_not_other() -> None:
    entries = chain([("promoted", 1), ("promoted", 2)])
    assert find_first_broken(entries, format_head(entries[0])) is None
    assert is_behind(entries, format_head(entries[0]))
    assert is_behind(entries, None)
    assert not is_behind(entries, format_head(entries[1]))
    assert find_first_broken(entries, "1:abc") == (
        1,
        "its hash is different: MLflow records the hash abc",
    )
    assert not is_behind(entries, "1:abc")
    assert find_first_broken([], "nonsense") is not None


def test_the_hash_does_not_depend_on_the_zone_of_the_session() -> None:
    [entry] = chain([("promoted", 1)])
    elsewhere = entry.at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert replace(entry, at=elsewhere).content_hash == entry.hash


@given(moves)
def test_who_serves_is_the_last_move(
    steps: list[tuple[Action, int | None]],
) -> None:
    entries = chain(steps)
    for count in range(len(steps) + 1):
        found = find_last_move(entries[:count])
        moved = [version for action, version in steps[:count] if action in MOVES]
        assert (found.to_version if found else None) == (moved[-1] if moved else None)


def test_each_rollback_goes_one_further_back() -> None:
    steps: list[tuple[Action, int | None]] = [
        ("promoted", 1),
        ("promoted", 2),
        ("refused", 4),
        ("outside", 3),
    ]
    assert rollback_version(chain(steps)) == 2
    assert rollback_version(chain([*steps, ("rolled back", 2)])) == 1
    assert rollback_version(chain([*steps, ("rolled back", 2), ("promoted", 3)])) == 2
    assert rollback_version(chain([*steps, ("rolled back", 2), ("rolled back", 1)])) is None
    assert rollback_version(chain([*steps, ("outside", None)])) == 3


@given(moves, st.integers(0, 12))
def test_the_newest_entries_give_the_same_version_or_none(
    steps: list[tuple[Action, int | None]], skipped: int
) -> None:
    entries = chain(steps)
    newest = rollback_version(entries[skipped:], is_whole=False)
    assert newest in (None, rollback_version(entries))
    assert rollback_version(chain([("promoted", 1), ("promoted", 1)])) is None
    assert rollback_version([]) is None


@given(versions, st.lists(st.integers(1, 4), max_size=2, unique=True), versions)
def test_the_stage_decides(ledger: int | None, staged: list[int], alias: int | None) -> None:
    found = resolve_stage_holder(ledger, staged, alias)
    now = staged[0] if staged else None
    if len(staged) > 1:
        assert (found.outcome, found.serves) == ("several", ledger)
    elif found.outcome == "apart":
        assert found.serves == ledger
        assert len({ledger, now, alias}) == 3
    else:
        assert found.serves == now
    assert bool(found.note) == (found.outcome != "agreed")


@pytest.mark.parametrize(
    ("ledger", "staged", "alias", "found", "serves"),
    [
        (1, [1], 1, "agreed", 1),
        (None, [], None, "agreed", None),
        (1, [1], 2, "alias", 1),
        (1, [1], None, "alias", 1),
        (None, [], 2, "alias", None),
        (1, [2], 1, "moved", 2),
        (1, [2], 2, "moved", 2),
        (1, [], 1, "moved", None),
        (None, [2], None, "moved", 2),
        (1, [2], 3, "apart", 1),
        (1, [], 2, "apart", 1),
        (1, [1, 2], 1, "several", 1),
    ],
)
def test_each_case(
    ledger: int | None, staged: list[int], alias: int | None, found: str, serves: int | None
) -> None:
    answer = resolve_stage_holder(ledger, staged, alias)
    assert (answer.outcome, answer.serves) == (found, serves)
