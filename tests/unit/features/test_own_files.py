"""The files with Feast objects of the owner: who may write them, and what they may define."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support.frozen import tiny_catalog

from streamflow.errors import FeatureFileInvalid
from streamflow.features.own_files import OwnFolder, find_own_folder
from streamflow.features.repository import FeatureRepository

CATALOG = tiny_catalog()
IMPORTS = """\
from datetime import timedelta
from definitions import entity, plan_fv_view, usage_source
from feast import Entity, FeatureService, FeatureView, Field, FileSource, Project, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (
    PostgreSQLSource,
)
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float64, Int64, String
FIELDS = [Field(name="user_id", dtype=String), Field(name="trips", dtype=Int64)]
def table(name, table="public.trips"):
    return PostgreSQLSource(name=name, table=table, timestamp_field="seen_at")
def view(name, source=None, schema=FIELDS):
    return FeatureView(name=name, entities=[entity], schema=schema, source=source or table("t"))
"""
LINE = IMPORTS.count("\n") + 1  # of the text behind the imports


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "features"
    folder.mkdir(mode=0o755)
    return folder


def read(own: Path) -> None:
    """Run and check the files, as `migrate` does before it opens the registry."""
    from streamflow.features import registry

    folder = OwnFolder(path=own)
    repository = FeatureRepository(own.parent / "feast", CATALOG, own_folder=folder)
    repository.write({})
    registry.read_contents(repository.folder, folder.read())


def write(own: Path, text: str, name: str = "mine.py") -> Path:
    path = own / name
    path.write_text(IMPORTS + text)
    path.chmod(0o644)
    return path


# --- who may write --------------------------------------------------------------------


def test_the_folder_of_the_state_folder_may_be_absent_and_a_named_one_may_not(
    tmp_path: Path,
) -> None:
    assert find_own_folder(tmp_path, None).read() == []
    with pytest.raises(FeatureFileInvalid, match="is no folder, but the setting feature_files"):
        find_own_folder(tmp_path, tmp_path / "nowhere").read()


@pytest.mark.parametrize("target", ["file", "folder", "above"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_can_write_is_refused(own: Path, target: str, mode: int) -> None:
    path = write(own, "")
    place = {"file": path, "folder": own, "above": own.parent}[target]
    place.chmod(place.stat().st_mode | mode)
    with pytest.raises(FeatureFileInvalid, match=f"can write {place}\n") as caught:
        OwnFolder(path=own).read()
    assert f"chmod go-w {place}" in caught.value.remedy


def test_a_link_is_checked_where_it_leads(own: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "theirs.py").write_text("")
    shared.chmod(0o777)
    (own / "mine.py").symlink_to(shared / "theirs.py")
    with pytest.raises(FeatureFileInvalid, match=f"can write {shared}"):
        OwnFolder(path=own).read()
    shared.chmod(0o1777)  # as /tmp: only the owner of a file replaces it
    assert len(OwnFolder(path=own).read()) == 1


def test_a_link_that_others_can_replace_is_refused(own: Path, tmp_path: Path) -> None:
    write(own, "")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "link").symlink_to(own)
    (tmp_path / "first").symlink_to(shared / "link")
    shared.chmod(0o777)
    with pytest.raises(FeatureFileInvalid, match=f"can write {shared}"):
        OwnFolder(path=tmp_path / "first").read()
    shared.chmod(0o1777)
    assert len(OwnFolder(path=tmp_path / "first").read()) == 1


@pytest.mark.parametrize("target", ["nowhere.py", "mine.py"])
def test_a_link_that_leads_nowhere_is_named(own: Path, target: str) -> None:
    (own / "mine.py").symlink_to(own / target)
    with pytest.raises(FeatureFileInvalid, match=r"mine\.py: it cannot be read"):
        OwnFolder(path=own).read()


def test_a_file_of_a_different_user_is_refused(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(own, "")
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(FeatureFileInvalid, match="belongs to a different user"):
        OwnFolder(path=own).read()


def test_only_python_files_of_the_folder_itself_are_read(own: Path) -> None:
    for name in ("b.py", "a.py", "__init__.py", ".hidden.py", "notes.txt"):
        write(own, "", name)
    (own / "below").mkdir()
    (own / "below" / "c.py").write_text("")
    assert [file.path.name for file in OwnFolder(path=own).read()] == ["a.py", "b.py"]
    write(own, "", "my-features.py")
    with pytest.raises(FeatureFileInvalid, match="letters, digits and '_' only"):
        OwnFolder(path=own).read()


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x = view('plan_fv')",
            "the feature view 'plan_fv' has the name of the feature view 'plan_fv'"
            " that the catalog generates",
        ),
        ("x = view('Plan_FV')", "'Plan_FV' has the name of the feature view 'plan_fv' that"),
        ("x = view('plan_fv__next')", "'plan_fv__next' has the name of the feature view 'plan_fv'"),
        ("x = table('usage')", "the source 'usage' has the name of the source 'usage' that"),
        ("x = view('trips', table('usage'))", "the source 'usage' has the name of the source"),
        (
            "x = Entity(name='user', join_keys=['user_id'], value_type=ValueType.STRING)",
            "the entity 'user' has the name of the entity 'user' that the catalog generates",
        ),
        (
            f"x = FeatureService(name='{CATALOG.service}', features=[plan_fv_view])",
            f"the feature service '{CATALOG.service}' has the name of the feature service",
        ),
        (
            "@on_demand_feature_view(sources=[plan_fv_view],"
            " schema=[Field(name='x', dtype=Float64)])\n"
            "def usage_fv(inputs): return inputs",
            "the on-demand view 'usage_fv' has the name of the feature view 'usage_fv'",
        ),
        ("x = Project(name='tiny')", "project tiny: objects of this kind are not supported"),
        ("x = view('a.b')", "the name of a view is also the name of a table"),
        ("x = view('f', FileSource(path='f.parquet', timestamp_field='t'))", "is a FileSource"),
        (
            "x = view('f', schema=[*FIELDS, Field(name='as_of', dtype=Int64)])",
            "feature view f: feature view 'f': a live table has a column 'as_of' of its own",
        ),
        (
            "def hidden(): return view('hidden')\n"
            "x = FeatureService(name='x', features=[hidden()])",
            "feature service x: it reads the view 'hidden', which no file defines",
        ),
    ],
)
def test_an_object_is_refused_with_its_file(own: Path, text: str, message: str) -> None:
    path = write(own, text)
    with pytest.raises(FeatureFileInvalid) as caught:
        read(own)
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message


def test_two_files_with_one_name_are_both_named(own: Path) -> None:
    first = write(own, "x = view('trips')", "a.py")
    second = write(own, "x = view('trips', table('s'))", "b.py")
    with pytest.raises(FeatureFileInvalid) as caught:
        read(own)
    text = f"{second}: the feature view 'trips' has the name of the feature view 'trips' of {first}"
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = nowhere", "NameError: name 'nowhere' is not defined"),
        ("x = (", "SyntaxError: '(' was never closed"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import package_that_is_not_here", "ModuleNotFoundError: No module named"),
        ("x = 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_an_error_names_file_and_line(own: Path, text: str, message: str) -> None:
    path = write(own, text)
    modules = set(sys.modules)
    finders = list(sys.meta_path)
    with pytest.raises(FeatureFileInvalid) as caught:
        read(own)
    assert caught.value.message.startswith(f"{path}, line {LINE}: {message}")
    assert not {name for name in set(sys.modules) - modules if name.startswith("features")}
    assert sys.meta_path == finders


def test_a_function_must_run_without_the_rest_of_its_file(own: Path) -> None:
    text = (
        "FACTOR = 2\n"
        "@on_demand_feature_view(sources=[plan_fv_view],"
        " schema=[Field(name='twice', dtype=Float64)])\n"
        "def doubled(inputs):\n"
        "    {inside}return pd.DataFrame({{'twice': inputs['fee'] * FACTOR}})\n"
    )
    path = write(own, "import pandas as pd\n" + text.format(inside=""))
    with pytest.raises(FeatureFileInvalid) as caught:
        read(own)
    place = f"{path}, line {LINE + 2}: on-demand view doubled: NameError: name 'FACTOR'"
    assert caught.value.message.startswith(place)
    assert "import inside of the function" in caught.value.remedy
    write(own, "import pandas as pd\n" + text.format(inside="FACTOR = 2; "))
    read(own)
