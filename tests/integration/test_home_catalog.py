"""An installation remembers its catalog: no command takes another one by mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamflow.catalog import DEFAULT_PATH
from streamflow.errors import CatalogInvalid, DifferentCatalog, NotMigrated
from streamflow.files.home_catalog import BUILT_IN, load_home_catalog
from streamflow.platform import Platform, open_platform
from streamflow.settings import load_settings
from streamflow.steps.data.migrate import migrate, plan_migration

Open = Callable[..., Platform]
OUR_TEXT = DEFAULT_PATH.read_text(encoding="utf-8")


def write_catalog(path: Path, *, fee_max: int = 10_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OUR_TEXT.replace("max = 10000,", f"max = {fee_max},"), encoding="utf-8")
    return path


def test_a_command_that_names_no_catalog_uses_that_of_the_last_migrate(
    open_with: Open, tmp_path: Path
) -> None:
    mine = write_catalog(tmp_path / "mine.toml", fee_max=777)
    migrate(open_with(migrated=False, catalog=mine))
    opened = open_with()
    assert opened.catalog_file.source == mine
    assert opened.catalog.tables["subscriptions"].columns["monthly_fee"].max == 777


def test_a_new_text_of_the_same_source_only_needs_migrate(open_with: Open, tmp_path: Path) -> None:
    mine = write_catalog(tmp_path / "mine.toml", fee_max=777)
    migrate(open_with(migrated=False, catalog=mine))
    write_catalog(mine, fee_max=778)
    with pytest.raises(NotMigrated, match="the catalog has changed since the last"):
        open_with()
    migrate(open_with(migrated=False))
    assert open_with().catalog.tables["subscriptions"].columns["monthly_fee"].max == 778


def test_another_catalog_is_refused_with_both_names_unless_it_is_meant(
    open_with: Open, tmp_path: Path
) -> None:
    mine = write_catalog(tmp_path / "mine.toml", fee_max=777)
    migrate(open_with(migrated=False, catalog=mine))
    different = write_catalog(tmp_path / "different.toml", fee_max=888)
    message = f"this installation uses {mine}; this command would use {different}"
    with pytest.raises(DifferentCatalog) as refused:
        open_with(catalog=different)
    assert refused.value.message == message
    platform = open_with(migrated=False, catalog=different)
    for step in (plan_migration, migrate):
        with pytest.raises(DifferentCatalog) as refused:
            step(platform)
        assert refused.value.message == message
    receipt = migrate(platform, change_catalog=True)
    assert f"the catalog of this installation: {different}, before {mine}" in receipt.changes
    assert open_with().catalog_file.source == different


def test_the_same_catalog_under_a_different_path_is_not_refused(
    open_with: Open, tmp_path: Path
) -> None:
    migrate(open_with(migrated=False, catalog=write_catalog(tmp_path / "mine.toml", fee_max=777)))
    moved = write_catalog(tmp_path / "moved.toml", fee_max=777)
    migrate(open_with(catalog=moved))
    assert open_with().catalog_file.source == moved


def test_a_catalog_that_changes_only_what_is_served_is_refused_too(
    open_with: Open, tmp_path: Path
) -> None:
    mine = write_catalog(tmp_path / "mine.toml")
    migrate(open_with(migrated=False, catalog=mine))
    different = tmp_path / "different.toml"
    different.write_text(f'{OUR_TEXT}\n[files.users]\nnulls = ["NA"]\n', "utf-8")
    with pytest.raises(DifferentCatalog):
        open_with(catalog=different)
    with pytest.raises(DifferentCatalog):
        migrate(open_with(migrated=False, catalog=different))


def test_the_copy_follows_its_source_also_without_migrate(open_with: Open, tmp_path: Path) -> None:
    mine = write_catalog(tmp_path / "mine.toml")
    migrate(open_with(migrated=False, catalog=mine))
    mine.write_text(f'{OUR_TEXT}\n[files.users]\nnulls = ["NA"]\n', "utf-8")
    open_with()
    mine.unlink()
    opened = open_with()
    assert opened.catalog_file.copy is not None
    assert opened.catalog.file_format("users").nulls == ("NA",)


def test_it_is_said_whether_the_settings_beside_the_catalog_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = write_catalog(tmp_path / "project" / "mine.toml")
    settings = tmp_path / "project" / "streamflow.toml"
    settings.write_text("seed = 7", "utf-8")
    catalog = load_home_catalog(tmp_path / "home", mine)
    assert list(catalog.list_notes()) == [f"settings are read from {settings}"]
    Path("streamflow.toml").write_text("seed = 8", "utf-8")
    assert list(catalog.list_notes()) == [
        f"{settings} is not read: the current folder has a streamflow.toml too"
    ]
    monkeypatch.chdir(tmp_path / "project")
    assert list(catalog.list_notes()) == []


def test_an_installation_that_remembers_nothing_asks_which_catalog_is_meant(
    open_with: Open, tmp_path: Path
) -> None:
    migrate(open_with(migrated=False, catalog=write_catalog(tmp_path / "mine.toml", fee_max=777)))
    for file in (tmp_path / "home").glob("home.catalog.*"):
        file.unlink()
    with pytest.raises(DifferentCatalog, match="the state folder does not say which") as refused:
        open_with()
    assert BUILT_IN in refused.value.message


def test_a_source_that_is_gone_leaves_its_copy_in_force(open_with: Open, tmp_path: Path) -> None:
    mine = write_catalog(tmp_path / "mine.toml", fee_max=777)
    migrate(open_with(migrated=False, catalog=mine))
    mine.unlink()
    opened = open_with()
    assert opened.catalog_file.copy == tmp_path / "home" / "home.catalog.toml"
    migrate(opened)
    assert open_with().catalog_file.source == mine  # a later migrate still knows where it was


def test_a_relative_path_works_from_any_folder(
    open_with: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = write_catalog(tmp_path / "project" / "conf" / "mine.toml", fee_max=777)
    monkeypatch.chdir(tmp_path / "project")
    migrate(open_with(migrated=False, catalog=Path("conf/mine.toml")))
    monkeypatch.chdir(tmp_path)
    assert open_with(catalog=Path("conf/mine.toml")).catalog_file.source == mine
    with pytest.raises(CatalogInvalid, match="conf/yours.toml: the catalog cannot be read"):
        open_with(catalog=Path("conf/yours.toml"))


def test_a_source_that_must_not_be_read_leaves_its_copy_in_force(
    open_with: Open, tmp_path: Path
) -> None:
    mine = write_catalog(tmp_path / "mine.toml", fee_max=777)
    migrate(open_with(migrated=False, catalog=mine))
    mine.unlink()
    mine.mkdir()  # reading a folder is refused, also for root
    assert open_with().catalog_file.copy == tmp_path / "home" / "home.catalog.toml"


def test_a_half_written_catalog_never_replaces_the_copy(open_with: Open, tmp_path: Path) -> None:
    mine = write_catalog(tmp_path / "mine.toml", fee_max=777)
    migrate(open_with(migrated=False, catalog=mine))
    copy = tmp_path / "home" / "home.catalog.toml"
    good_text = mine.read_text(encoding="utf-8")
    assert copy.read_text(encoding="utf-8") == good_text
    mine.write_text("model = ", encoding="utf-8")
    for named in ({}, {"catalog": mine}):
        with pytest.raises(CatalogInvalid, match="mine.toml"):
            open_with(**named)
    with pytest.raises(CatalogInvalid, match="mine.toml"):
        migrate(open_with(migrated=False, catalog=mine))
    assert copy.read_text(encoding="utf-8") == good_text


def test_a_command_in_a_folder_without_a_state_makes_none(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "nothing")
    with (
        pytest.raises(NotMigrated, match="there is no installation in") as refused,
        open_platform(settings),
    ):
        pass
    assert "--home" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []
