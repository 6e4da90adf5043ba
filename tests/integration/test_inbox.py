"""The step `inbox`: each folder is processed once, in the order of as_of.

Failures stay visible until the content of their folder or the catalog changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.chain import FEBRUARY, JANUARY, run

from streamflow.catalog import DEFAULT_PATH, parse_catalog
from streamflow.errors import DatabaseUnavailable
from streamflow.platform import Platform
from streamflow.steps.data.inbox import UNCHANGED_MARGIN, InboxReceipt, inbox
from streamflow.warehouse.frozen import all_revisions


@pytest.fixture
def opened(open_with: Callable[..., Platform], tmp_path: Path) -> Platform:
    (tmp_path / "inbox").mkdir()
    return open_with(inbox=tmp_path / "inbox")


def look(
    platform: Platform,
    *,
    after: timedelta = timedelta(minutes=1),
    calls: list[datetime] | None = None,
) -> InboxReceipt:
    """Look into the inbox as if `after` had passed since now."""

    def process(folder: Path, as_of: datetime) -> None:
        if calls is not None:
            calls.append(as_of)
        run(platform, folder, as_of)

    return inbox(platform, process, now=lambda: datetime.now(UTC) + after)


def statuses(receipt: InboxReceipt) -> dict[str, str]:
    return {drop.folder: drop.status for drop in receipt.drops}


def test_folders_are_processed_once_in_order_of_as_of(
    opened: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    shutil.copytree(
        simulated_drops / "month_001", tmp_path / "inbox" / "a"
    )  # February by its drop.toml
    shutil.copytree(simulated_drops / "month_000", tmp_path / "inbox" / "2024-01-31")
    (tmp_path / "inbox" / "2024-01-31" / "drop.toml").unlink()  # January by its name
    calls: list[datetime] = []
    first = look(opened, calls=calls)
    assert calls == [JANUARY, FEBRUARY]
    assert first.processed == ("2024-01-31", "a")
    assert [(d.as_of, d.status) for d in first.drops] == [
        (JANUARY.date(), "done"),
        (FEBRUARY.date(), "done"),
    ]
    for after in (timedelta(minutes=1), 2 * UNCHANGED_MARGIN):
        assert look(opened, after=after, calls=calls).processed == ()
    assert len(calls) == 2
    assert {r.as_of for r in all_revisions(opened.connection)} == {JANUARY, FEBRUARY}


def test_a_failure_is_shown_and_tried_again_only_when_its_content_changes(
    opened: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    good = shutil.copytree(simulated_drops / "month_001", tmp_path / "inbox" / "february")
    bad = shutil.copytree(simulated_drops / "month_000", tmp_path / "inbox" / "january")
    users = bad / "users.csv"
    original = users.read_text()
    users.write_text(original.replace("Male", "?", 1))
    first = look(opened)
    assert statuses(first) == {
        "january": "failed",
        "february": "done",
    }  # the bad one came first and stopped nothing
    assert first.failed
    assert "'user_gender'" in first.drops[0].error
    (bad / "users.csv").touch()
    again = look(opened)
    assert again.processed == ()
    assert statuses(again) == statuses(first)
    users.write_text(original)
    mended = look(opened)
    assert mended.processed == ("january",)
    assert (mended.failed, mended.drops[0].error) == (False, "")
    shutil.rmtree(good)
    assert statuses(look(opened)) == {"january": "done", "february": "done"}


def test_a_folder_that_is_being_written_waits(
    opened: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(simulated_drops / "month_000", tmp_path / "inbox" / "2024-01-31")
    assert statuses(look(opened, after=timedelta())) == {"2024-01-31": "waiting"}
    (folder / "labels.csv").rename(folder / "labels.csv.partial")
    assert statuses(look(opened)) == {"2024-01-31": "waiting"}
    (folder / "labels.csv.partial").rename(folder / "labels.csv")
    assert statuses(look(opened)) == {"2024-01-31": "done"}


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_a_folder_that_is_moved_away_at_any_moment_stops_no_other(
    opened: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """It goes just before the inbox lists its files for the first, second, … time."""
    moving = tmp_path / "inbox" / "2024-01-31"
    moving.mkdir()
    calls: list[datetime] = []

    def process(_folder: Path, as_of: datetime) -> None:
        calls.append(as_of)

    def pass_by() -> InboxReceipt:
        return inbox(opened, process, now=lambda: datetime.now(UTC) + timedelta(minutes=1))

    assert statuses(pass_by()) == {"2024-01-31": "done"}
    (tmp_path / "inbox" / "2024-02-29").mkdir()
    list_files = Path.iterdir
    listed: list[Path] = []

    def move_and_list(path: Path) -> Iterator[Path]:
        if path == moving:
            listed.append(path)
            if len(listed) == moment:
                path.rename(tmp_path / "moved")
        return list_files(path)

    monkeypatch.setattr(Path, "iterdir", move_and_list)
    receipt = pass_by()
    assert len(listed) >= moment
    assert (tmp_path / "moved").exists()
    assert "2024-02-29" in receipt.processed
    assert calls[0] == JANUARY
    assert FEBRUARY in calls


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("march", None, "neither its name nor a drop.toml"),
        ("2024-3-1", None, "neither its name nor a drop.toml"),
        ("2024-03-31", 'as_of = "2024-03-31"', "without quotes"),
        ("2024-03-31", "as_of =", "'as_of = YYYY-MM-DD' cannot be read"),
    ],
)
def test_a_folder_without_a_date_is_a_failure(
    opened: Platform, tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    (tmp_path / "inbox" / name).mkdir()
    if text is not None:
        (tmp_path / "inbox" / name / "drop.toml").write_text(text)
    receipt = look(opened)
    assert statuses(receipt) == {name: "failed"}
    assert said in receipt.drops[0].error
    shutil.rmtree(tmp_path / "inbox" / name)
    assert (statuses(look(opened)), look(opened).failed) == ({name: "removed"}, False)


def test_what_can_pass_by_itself_is_raised_and_not_recorded(
    opened: Platform, tmp_path: Path
) -> None:
    (tmp_path / "inbox" / "2024-01-31").mkdir()

    def unreachable(_folder: Path, _as_of: datetime) -> None:
        raise DatabaseUnavailable("gone")

    later = datetime.now(UTC) + timedelta(minutes=1)
    with pytest.raises(DatabaseUnavailable):
        inbox(opened, unreachable, now=lambda: later)
    assert look(opened).processed == ("2024-01-31",)


def test_a_folder_that_failed_is_tried_again_when_the_catalog_changes(
    opened: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    """The error of a file in a different format asks for a declaration, not for a new file."""
    folder = shutil.copytree(simulated_drops / "month_000", tmp_path / "inbox" / "january")
    labels = folder / "labels.csv"
    labels.write_text(labels.read_text().replace(",", ";"))
    failed = look(opened)
    assert 'declare separator = ";" in [files.labels]' in failed.drops[0].error
    assert look(opened).processed == ()
    text = f'{DEFAULT_PATH.read_text()}\n[files.labels]\nseparator = ";"\n'
    renewed = replace(opened, catalog=parse_catalog(text, origin="catalog.toml"))
    assert statuses(look(renewed)) == {"january": "done"}
    assert look(renewed).processed == ()
