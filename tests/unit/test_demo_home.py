"""The state folder of the demo is never the one of an installation, unless --home names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamflow.cli.context import Invocation
from streamflow.cli.demo_home import MARK_FILE, use_demo_home
from streamflow.errors import SettingsInvalid


def chosen_home(home_flag: Path | None = None) -> Path:
    call = Invocation(flags={"home": home_flag, "catalog": None}, debug=False, quiet=True)
    return use_demo_home(call).settings().home


def test_it_lies_beside_the_default_state_folder() -> None:
    assert chosen_home() == Path(".streamflow-demo")
    assert not Path(".streamflow").exists()


def test_it_lies_beside_the_folder_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_HOME", "data/churn")
    assert chosen_home() == Path("data/churn-demo")
    assert not Path("data/churn").exists()


def test_it_lies_beside_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("STREAMFLOW_HOME", ".")
    assert chosen_home() == tmp_path / "work-demo"


def test_the_folder_of_an_earlier_demo_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_HOME", ".streamflow-demo")
    Path(".streamflow-demo").mkdir()
    Path(".streamflow-demo", MARK_FILE).write_text("embedded PostgreSQL\n", encoding="utf-8")
    assert chosen_home() == Path(".streamflow-demo")


def test_the_folder_of_the_flag_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_HOME", "data/churn")
    assert chosen_home(Path("elsewhere")) == Path("elsewhere")


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy() -> None:
    Path("file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsInvalid, match=r"setting 'home': file is not a folder(.|\n)*Run"):
        chosen_home(Path("file/home"))
