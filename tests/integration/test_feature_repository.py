"""The feature repository: what is written, what is applied, and the stock `feast` command on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from feast import FeatureStore
from feast.repo_operations import _get_repo_contents, apply_total_with_repo_instance
from support.fork_server import CODE, ForkedConversation, run_forked
from support.frozen import create_catalog_tables, freeze, fresh_database, instant, tiny_catalog
from support.registry import meaning, stock_store

from streamflow.catalog import Catalog
from streamflow.database import Address
from streamflow.errors import CatalogInvalid, NotMigrated, SettingsInvalid
from streamflow.features.definitions import store_yaml
from streamflow.features.feature_service import ServiceFeature, features_of, views_of
from streamflow.features.live_tables import live_columns
from streamflow.features.materialize import materialize
from streamflow.features.repository import FeatureRepository

CATALOG = tiny_catalog()
OLD = "tiny_00000001"  # the service of a version that was trained before the catalog lost a feature
OLD_FEATURE = ServiceFeature(
    view="plan_fv", name="region", type="string", table="plan", ttl_days=62
)
SERVICES = {OLD: [features_of(CATALOG)[4], OLD_FEATURE, features_of(CATALOG)[0]]}
FIRST = instant("2024-01-31")
pytestmark = pytest.mark.filterwarnings(
    "ignore:list_project_metadata is deprecated:DeprecationWarning"
)  # Feast, of itself


@pytest.fixture
def database(server: Address) -> Iterator[psycopg.Connection]:
    with fresh_database(server) as connection:
        create_catalog_tables(connection, CATALOG)
        connection.execute("ALTER TABLE frozen.plan ADD region text")
        connection.execute(
            "CREATE OR REPLACE VIEW history.plan AS SELECT f.user_id, f.tenure,"
            " f.fee, f.paperless, f.net, f.as_of, f.revision,"
            " r.known_at, NULL::timestamptz AS superseded_at, f.region"
            " FROM frozen.plan f JOIN streamflow.revision r USING (as_of,"
            " revision) WHERE r.table_name = 'plan'"
        )
        yield connection


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[FeatureRepository]:
    opened = FeatureRepository(tmp_path / "feast", CATALOG)
    yield opened
    opened.close()


def dump(folder: Path) -> dict[str, Any]:
    """The whole registry, by the call that is behind `feast registry-dump`."""
    with stock_store(folder) as store:
        content: dict[str, Any] = store.registry.to_dict(project=store.project)
    return content


COMMANDS = """
import sys
from feast.cli.cli import cli
for line in sys.argv[1:]:
    print(f"> {line}", flush=True)
    cli.main(line.split(), standalone_mode=False)
"""


def feast(folder: Path, *lines: str) -> dict[str, str]:
    """Run stock `feast` commands in the repository: line -> output.

    All of them run in one process, a fork: Feast is slow to import.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = run_forked(CODE, COMMANDS, *lines, environment=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return {part.split("\n")[0]: part.partition("\n")[2] for part in done.stdout.split("> ")[1:]}


def fill(connection: psycopg.Connection) -> None:
    rows = [(key, n, n / 4, n % 2 == 0, None, f"region {n}") for n, key in enumerate("abc")]
    freeze(
        connection,
        "plan",
        FIRST,
        FIRST + timedelta(days=1),
        ["user_id", "tenure", "fee", "paperless", "net", "region"],
        rows,
    )
    freeze(
        connection,
        "usage",
        FIRST,
        FIRST + timedelta(days=1),
        ["user_id", "hours"],
        [(key, 29.85) for key in "abc"],
    )


# --- the files ------------------------------------------------------------------------


def test_equal_input_gives_equal_bytes_and_no_second_write(repository: FeatureRepository) -> None:
    plan = repository.plan(SERVICES)
    assert "+project: tiny" in plan
    assert repository.write(SERVICES)
    written = {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in repository.folder.iterdir()
    }
    assert sorted(written) == ["definitions.py", "feature_store.yaml"]
    assert not repository.write(dict(reversed(SERVICES.items())))
    assert {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in repository.folder.iterdir()
    } == written
    assert repository.plan(SERVICES) == ""
    assert repository.digest(SERVICES) != repository.digest({})
    assert repository.write({})


def test_the_files_name_no_password_and_no_path(
    repository: FeatureRepository, tmp_path: Path
) -> None:
    repository.write(SERVICES)
    for path in repository.folder.iterdir():
        assert path.read_bytes().isascii()  # Feast reads it in the encoding of the locale
        assert "password" not in path.read_text()
        assert str(tmp_path) not in path.read_text()


def test_a_role_is_written_and_checked() -> None:
    assert '"-c search_path=feast -c role=streamflow_writer"' in store_yaml(
        CATALOG, role="streamflow_writer"
    )
    with pytest.raises(SettingsInvalid):
        store_yaml(CATALOG, role='x" -c evil=1')


def test_a_view_has_the_fields_that_any_service_names() -> None:
    plan, usage = views_of(CATALOG, SERVICES)
    assert [f.name for f in plan.features] == ["tenure", "fee", "paperless", "net", "region"]
    assert (usage.name, usage.ttl_days, [f.name for f in usage.features]) == (
        "usage_fv",
        31,
        ["hours"],
    )
    clash = ServiceFeature(view="plan_fv", name="fee", type="int", table="plan", ttl_days=62)
    with pytest.raises(
        CatalogInvalid,
        match="'plan_fv:fee' has the type float and comes from table 'plan' in the catalog",
    ):
        views_of(CATALOG, {OLD: [clash]})


def test_importing_the_package_imports_no_vendor() -> None:
    code = (
        "import sys,"
        " streamflow.features; print([m for m in ('feast', 'pandas',"
        " 'polars', 'psycopg') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


# --- the registry ---------------------------------------------------------------------


def test_our_apply_is_feasts_apply(
    database: psycopg.Connection, repository: FeatureRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write(SERVICES)
    repository.apply()
    ours = dump(repository.folder)
    database.execute(
        "DROP SCHEMA feast CASCADE; CREATE SCHEMA feast;"
        " DROP SCHEMA online CASCADE; CREATE SCHEMA online"
    )
    monkeypatch.chdir(repository.folder)
    monkeypatch.syspath_prepend(str(repository.folder))
    monkeypatch.delitem(sys.modules, "definitions", raising=False)
    store = FeatureStore(repo_path=".")
    contents = _get_repo_contents(repository.folder, store.project, store.config)
    apply_total_with_repo_instance(
        store, store.project, store.registry, contents, skip_source_validation=False
    )
    store.registry.write_engine.dispose()
    monkeypatch.delitem(sys.modules, "definitions")
    assert meaning(dump(repository.folder)) == meaning(ours)
    assert list(live_columns(database, "plan_fv"))[3:] == [
        "tenure",
        "fee",
        "paperless",
        "net",
        "region",
    ]


def test_the_stock_command_works_and_changes_nothing(
    database: psycopg.Connection, repository: FeatureRepository
) -> None:
    fill(database)
    repository.write(SERVICES)
    repository.apply()
    applied = dump(repository.folder)
    assert [s["spec"]["name"] for s in applied["featureServices"]] == sorted([OLD, CATALOG.service])
    span = "2024-01-01T00:00:00 2024-03-01T00:00:00"
    lines = [
        "apply",
        "registry-dump",
        "feature-views list",
        f"materialize {span}",
        " registry-dump",  # the same command with a different indent is a different key
        " apply",
        "  registry-dump",
    ]
    output = feast(repository.folder, *lines)
    assert json.loads(output["registry-dump"]) == applied  # to the microsecond
    assert {"plan_fv", "usage_fv"} <= set(output["feature-views list"].split())
    live = database.execute(
        "SELECT count(*), min(as_of), max(known_at) FROM online.plan_fv"
    ).fetchone()
    assert live == (3, FIRST, FIRST + timedelta(days=1))
    materialized, again = (
        json.loads(output[" registry-dump"]),
        json.loads(output["  registry-dump"]),
    )
    assert meaning(again) == meaning(materialized)
    assert [len(view["meta"]["materializationIntervals"]) for view in again["featureViews"]] == [
        1,
        1,
    ]


RIVAL = """
import sys
from pathlib import Path
from support.frozen import tiny_catalog
from streamflow.features import registry
from streamflow.features.repository import FeatureRepository
repository = FeatureRepository(Path(sys.argv[1]), tiny_catalog())
print("ready", flush=True)
sys.stdin.readline()
repository.apply()
repository.close()
"""


def test_two_processes_may_apply_at_once(
    database: psycopg.Connection, repository: FeatureRepository
) -> None:
    repository.write(SERVICES)
    rival = ForkedConversation(RIVAL, str(repository.folder), environment=os.environ)
    assert rival.hear() == "ready"
    rival.say("go")
    repository.apply()  # both find an empty schema and would create the tables
    assert rival.end() == 0
    before = dump(repository.folder)
    repository.apply()
    assert dump(repository.folder) == before
    assert len(before["featureViews"]) == 2


def test_a_service_that_no_version_names_any_more_goes(
    database: psycopg.Connection, repository: FeatureRepository
) -> None:
    repository.write(SERVICES)
    repository.apply()
    repository.write({})
    repository.apply()
    assert [s["spec"]["name"] for s in dump(repository.folder)["featureServices"]] == [
        CATALOG.service
    ]
    assert "region" in live_columns(database, "plan_fv")  # a live table is never narrowed


def test_a_materialization_is_recorded_once(
    database: psycopg.Connection, repository: FeatureRepository
) -> None:
    fill(database)
    repository.write({})
    repository.apply()
    for _ in range(2):
        repository.record_materialization(materialize(database, CATALOG))
    views = dump(repository.folder)["featureViews"]
    assert [view["meta"]["materializationIntervals"] for view in views] == [
        [{"startTime": "2024-01-31T00:00:00Z", "endTime": "2024-01-31T00:00:00Z"}]
    ] * 2


# --- histories ------------------------------------------------------------------------


def test_history_has_the_columns_of_the_service_and_the_rows_of_the_question(
    database: psycopg.Connection, repository: FeatureRepository
) -> None:
    fill(database)
    repository.write(SERVICES)
    repository.apply()
    with stock_store(repository.folder) as store:
        names = sorted(view.name for view in store.list_feature_views())
    assert names == ["plan_fv", "usage_fv"]
    asked = pl.DataFrame({"user_id": ["c", "a", "nobody", "c"]}).with_columns(
        event_timestamp=pl.lit(FIRST), known_at=pl.lit(FIRST + timedelta(days=1))
    )
    old = repository.read_history(asked, OLD)
    assert old.column_names == [
        "user_id",
        "event_timestamp",
        "known_at",
        "hours",
        "region",
        "tenure",
    ]
    assert old["user_id"].to_pylist() == ["c", "a", "nobody", "c"]
    assert old["region"].to_pylist() == ["region 2", "region 0", None, "region 2"]
    new = repository.read_history(asked.to_arrow(), CATALOG.service)
    assert new.column_names[3:] == ["tenure", "fee", "paperless", "net", "hours"]
    assert [str(t) for t in new.schema.types[3:]] == ["int64", "double", "bool", "string", "double"]
    with pytest.raises(NotMigrated, match="'other'"):
        repository.read_history(asked, "other")


def test_a_repository_that_was_never_written(tmp_path: Path, database: psycopg.Connection) -> None:
    with pytest.raises(NotMigrated, match="no feature repository"):
        FeatureRepository(tmp_path / "nowhere", CATALOG).open()


def test_a_new_feature_is_one_line(
    database: psycopg.Connection, repository: FeatureRepository
) -> None:
    repository.write({})
    repository.apply()
    table = CATALOG.tables["plan"]
    wider = table.model_copy(update={"columns": {**table.columns, "region": table.columns["net"]}})
    catalog: Catalog = CATALOG.model_copy(update={"tables": {**CATALOG.tables, "plan": wider}})
    fill(database)
    again = FeatureRepository(repository.folder, catalog)
    assert again.write({CATALOG.service: features_of(CATALOG)})
    again.apply()
    asked = pl.DataFrame({"user_id": ["b"], "event_timestamp": [FIRST]})
    assert again.read_history(asked, catalog.service)["region"].to_pylist() == ["region 1"]
    assert again.read_history(asked, CATALOG.service)["tenure"].to_pylist() == [1]
    again.close()
