"""Feast objects of the owner: applied with ours, served by stock Feast, or refused by name."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from feast.feature_server import get_app
from starlette.testclient import TestClient
from support.frozen import create_catalog_tables, freeze, fresh_database, instant, tiny_catalog
from support.registry import meaning, stock_store

from streamflow.database import Address, connect
from streamflow.errors import CatalogInvalid, FeatureFileInvalid, UninstallRefused
from streamflow.features.live_tables import live_columns
from streamflow.features.materialize import materialize
from streamflow.features.own_files import OwnFolder
from streamflow.features.repository import FeatureRepository
from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate, plan_migration
from streamflow.steps.upkeep.doctor import repair
from streamflow.steps.upkeep.doctor.vendors import check_feature_files, check_feature_registry
from streamflow.steps.upkeep.uninstall import plan_uninstall

CATALOG = tiny_catalog()
FIRST = instant("2024-01-31")
KNOWN = FIRST + timedelta(days=1)
pytestmark = [
    pytest.mark.filterwarnings("ignore:list_project_metadata is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
]

TRIPS = '''\
"""Trips of our users, from a table of our own."""

from datetime import timedelta

from definitions import entity, plan_fv_view
from feast import FeatureService, FeatureView, Field, RequestSource
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (
    PostgreSQLSource,
)
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String
import pandas as pd

trips = FeatureView(
    name="trips",
    entities=[entity],
    ttl=timedelta(days=90),
    schema=[Field(name="user_id", dtype=String), Field(name="trips", dtype=Int64)],
    source=PostgreSQLSource(name="trips_table", table="public.trips", timestamp_field="seen_at"),
)
offer = RequestSource(name="offer", schema=[Field(name="discount", dtype=Float64)])


@on_demand_feature_view(
    sources=[plan_fv_view, offer], schema=[Field(name="reduced_fee", dtype=Float64)]
)
def reduced(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"reduced_fee": inputs["fee"] * (1 - inputs["discount"])})


desk = FeatureService(name="desk", features=[plan_fv_view[["tenure"]], trips, reduced])
'''
FEATURES = ["plan_fv:tenure", "trips:trips", "reduced:reduced_fee"]


@pytest.fixture
def database(server: Address) -> Iterator[psycopg.Connection]:
    with fresh_database(server) as connection:
        create_catalog_tables(connection, CATALOG)
        connection.execute(
            "CREATE TABLE public.trips (user_id text, seen_at timestamptz, trips bigint);"
            " INSERT INTO public.trips VALUES ('a', '2024-01-30', 3), ('b', '2024-01-30', 5)"
        )
        yield connection


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "features"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(tmp_path: Path, own: Path) -> Iterator[FeatureRepository]:
    opened = FeatureRepository(tmp_path / "feast", CATALOG, own_folder=OwnFolder(path=own))
    yield opened
    opened.close()


def apply(repository: FeatureRepository) -> tuple[list[str], list[str]]:
    repository.write({})
    applied = repository.apply()
    return applied.own_objects, applied.removed


def dump(repository: FeatureRepository) -> Any:
    with stock_store(repository.folder) as store:
        content = meaning(store.registry.to_dict(project=store.project))
    return {
        kind: sorted(values, key=json.dumps) if isinstance(values, list) else values
        for kind, values in content.items()
    }


def fill(connection: psycopg.Connection) -> None:
    columns = ["user_id", "tenure", "fee", "paperless", "net"]
    rows = [("a", 7, 40.0, True, None), ("b", 8, 60.0, False, None)]
    freeze(connection, "plan", FIRST, KNOWN, columns, rows)
    freeze(connection, "usage", FIRST, KNOWN, ["user_id", "hours"], [("a", 1.0), ("b", 2.0)])


# --- what is applied is served --------------------------------------------------------


def test_own_objects_are_served_by_stock_feast_until_their_file_is_removed(
    database: psycopg.Connection, repository: FeatureRepository, own: Path
) -> None:
    (own / "trips.py").write_text(TRIPS)
    applied, removed = apply(repository)
    assert applied == [
        "feature service desk",
        "source offer",
        "on-demand view reduced",
        "feature view trips",
        "source trips_table",
    ]
    assert removed == []
    assert list(live_columns(database, "trips")) == ["user_id", "as_of", "known_at", "trips"]

    fill(database)
    materialize(database, CATALOG)
    with stock_store(repository.folder) as store:
        store.materialize(FIRST - timedelta(days=30), FIRST, feature_views=["trips"])
        answer = store.get_online_features(
            FEATURES, [{"user_id": "b", "discount": 0.5}, {"user_id": "nobody", "discount": 0.1}]
        ).to_dict()
        assert answer == {
            "user_id": ["b", "nobody"],
            "tenure": [8, None],
            "trips": [5, None],
            "reduced_fee": [30.0, None],
        }
        asked = pd.DataFrame({"user_id": ["a"], "event_timestamp": [FIRST], "discount": [0.25]})
        history = store.get_historical_features(asked, store.get_feature_service("desk")).to_df()
        assert history[["tenure", "trips", "reduced_fee"]].values.tolist() == [[7, 3, 30.0]]
        with TestClient(get_app(store)) as client:
            body = {
                "feature_service": "desk",
                "entities": {"user_id": ["a"], "discount": [0.5]},
                "full_feature_names": False,
            }
            served = client.post("/get-online-features", json=body)
        assert served.status_code == 200, served.text
        names = served.json()["metadata"]["feature_names"]
        values = [result["values"][0] for result in served.json()["results"]]
        assert dict(zip(names, values, strict=True)) == {
            "user_id": "a",
            "tenure": 7,
            "trips": 3,
            "reduced_fee": 20.0,
        }

    (own / "trips.py").unlink()
    applied, removed = apply(repository)
    assert applied == []
    assert removed == [
        "feature service desk",
        "feature view trips",
        "on-demand view reduced",
        "source offer",
        "source trips_table",
    ]
    assert live_columns(database, "trips") == {}
    assert not list((repository.folder / "features").glob("*.py"))
    assert database.execute("SELECT count(*) FROM online.plan_fv").fetchone() == (2,)


@pytest.mark.filterwarnings("ignore:On demand feature view is:RuntimeWarning")
def test_a_stock_apply_in_the_repository_changes_nothing(
    database: psycopg.Connection,
    repository: FeatureRepository,
    own: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from feast.repo_operations import _get_repo_contents, apply_total_with_repo_instance

    (own / "trips.py").write_text(TRIPS)
    apply(repository)
    ours = dump(repository)
    monkeypatch.chdir(repository.folder)
    monkeypatch.syspath_prepend(str(repository.folder))
    # An earlier test of this process may have imported the files of a different repository.
    monkeypatch.delitem(sys.modules, "definitions", raising=False)
    with stock_store(repository.folder) as store:
        contents = _get_repo_contents(repository.folder, store.project, store.config)
        apply_total_with_repo_instance(
            store, store.project, store.registry, contents, skip_source_validation=False
        )
    for name in ("definitions", "features.trips", "features"):
        monkeypatch.delitem(sys.modules, name)
    assert dump(repository) == ours


def test_files_may_import_each_other(
    database: psycopg.Connection, repository: FeatureRepository, own: Path
) -> None:
    (own / "a_service.py").write_text(
        "from feast import FeatureService\n"
        "from features.z_entity import shop\n"
        "from definitions import usage_fv_view\n"
        "assert shop.name == 'shop'\n"
        "everything = FeatureService(name='everything', features=[usage_fv_view])\n"
    )
    (own / "z_entity.py").write_text(
        "from feast import Entity, ValueType\n"
        "shop = Entity(name='shop', join_keys=['shop_id'], value_type=ValueType.INT64)\n"
    )
    assert apply(repository)[0] == ["feature service everything", "entity shop"]


# --- an error leaves the registry as it was -------------------------------------------


def test_after_an_error_the_registry_and_the_live_tables_are_as_they_were(
    database: psycopg.Connection, repository: FeatureRepository, own: Path
) -> None:
    (own / "trips.py").write_text(TRIPS)
    apply(repository)
    before = dump(repository)
    assert before["onDemandFeatureViews"]

    (own / "trips.py").write_text(TRIPS.replace("0.", "1.") + "\nnowhere.to_be_found\n")
    line = TRIPS.count("\n") + 2
    place = f"{own / 'trips.py'}, line {line}: NameError: name 'nowhere' is not defined"
    with pytest.raises(FeatureFileInvalid, match=place):
        apply(repository)
    assert dump(repository) == before
    with pytest.raises(FeatureFileInvalid):
        repository.rebuild({})
    assert dump(repository) == before

    # Feast writes all of this into the registry before our online store refuses the new type.
    (own / "trips.py").write_text(
        TRIPS.replace('"trips", dtype=Int64', '"trips", dtype=String').replace("desk", "counter")
    )
    with pytest.raises(CatalogInvalid, match=r"online\.trips\.trips has the type bigint"):
        apply(repository)
    assert dump(repository) == before
    assert live_columns(database, "trips")["trips"] == "bigint"

    (own / "trips.py").write_text(TRIPS)
    apply(repository)
    assert dump(repository) == before
    (own / "trips.py").unlink()
    repository.rebuild({})
    assert live_columns(database, "trips") == {}
    assert live_columns(database, "plan_fv")


def test_a_source_that_does_not_exist_is_named_with_its_view_and_file(
    database: psycopg.Connection, repository: FeatureRepository, own: Path
) -> None:
    text = TRIPS.replace("public.trips", "public.trip").replace(
        'schema=[Field(name="user_id", dtype=String), Field(name="trips", dtype=Int64)],', ""
    )
    (own / "trips.py").write_text(text)
    place = rf"{own / 'trips.py'}: feature view trips: .*public.trip"
    with pytest.raises(FeatureFileInvalid, match=place):
        apply(repository)


# --- the commands ---------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "feast-objects.md"
SERVICE = """
from definitions import usage_agg_30d_fv_view
from feast import FeatureService
desk = FeatureService(name="desk", features=[usage_agg_30d_fv_view])
"""


def test_the_file_of_the_page_works(platform: Platform) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with connect(platform.login, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA desk AUTHORIZATION streamflow_writer")
    platform.connection.execute(
        "CREATE TABLE desk.calls (user_id text, called_at timestamptz, calls bigint)"
    )
    own = platform.home / "features"
    own.mkdir(parents=True)
    (own / "desk.py").write_text(block)
    *_, listed = migrate(platform).changes
    assert f"  {listed}\n" in PAGE.read_text(encoding="utf-8")


def test_migrate_and_doctor_list_own_objects(platform: Platform) -> None:
    own = platform.home / "features"
    own.mkdir(parents=True)
    (own / "desk.py").write_text(SERVICE)
    assert plan_migration(platform).changes == ("Feast registry: apply the changed definitions",)
    assert migrate(platform).changes[1:] == ("Feast registry, your own: feature service desk",)
    assert plan_migration(platform).changes == ()
    assert migrate(platform).changes == ()
    assert check_feature_registry(platform).text.endswith("your own: feature service desk")
    with pytest.raises(UninstallRefused, match="features"):
        plan_uninstall(platform.settings)

    platform.connection.execute(
        "DELETE FROM feast.feature_services WHERE feature_service_name = 'desk'"
    )
    lost = check_feature_registry(platform)
    assert lost.text == "missing: feature service desk"
    assert repair(platform.settings, [lost]) == ["wrote and applied the feature repository"]
    assert not check_feature_registry(platform).is_wrong

    (own / "desk.py").write_text(SERVICE.replace('"desk"', '"counter"'))
    edited = check_feature_files(platform)
    assert edited.is_wrong
    assert edited.text.endswith("features/desk.py")
    missing = check_feature_registry(platform)
    assert missing.text == "missing: feature service counter"
    assert missing.fixable
    assert repair(platform.settings, [missing]) == [
        "wrote and applied the feature repository",
        "removed from Feast's registry: feature service desk",
    ]

    (own / "desk.py").write_text("1 +\n")
    with pytest.raises(FeatureFileInvalid, match=f"{own / 'desk.py'}, line 1: SyntaxError"):
        check_feature_registry(platform)
    (own / "desk.py").unlink()
    assert migrate(platform).changes[1:] == ("Feast registry, removed: feature service counter",)
