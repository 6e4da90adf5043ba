"""Commands that read a version import no library that they can do without, and see MLflow as it is.

They read MLflow's tables by SQL. What they see is what MLflow's own client sees.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Cluster
from support.processes import wait_for
from support.states import JANUARY_SERVED, in_state

from streamflow.core.versions.version_files import PASSPORT
from streamflow.database import connect
from streamflow.errors import DatabaseUnavailable
from streamflow.models import registry_tables
from streamflow.models.mlflow_client import ignore_stage_warnings, newest_schema
from streamflow.models.registry_content import read_by_client
from streamflow.models.registry_tables import TABLES_VERSION, RegistryTables
from streamflow.models.stages import find_stages
from streamflow.platform import Platform, open_platform
from streamflow.steps.stages.transitions import version_in_stage

USER = "7590-VHVEG"
MODEL = "streamflow_churn"
# Each takes half a second to four seconds to import.
DISPENSABLE = (
    "mlflow",
    "feast",
    "prefect",
    "sklearn",
    "scipy",
    "pandas",
    "polars",
    "pyarrow",
    "matplotlib",
    "skops",
    "treelite",
    "sqlalchemy",
    "alembic",
    "pandera",
    "fastapi",
)
RUN_COMMANDS = """
import json, sys
from streamflow.cli.app import main
codes = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["streamflow", "--quiet", *words]
    try:
        main()
    except SystemExit as end:
        codes[words[0]] = end.code or 0
print("RESULT" + json.dumps([codes, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.fixture(scope="module")
def served(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January is live, and version 1 is in Production."""
    home = tmp_path_factory.mktemp("light") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        yield platform


def test_predict_explain_and_models_import_none_of_the_libraries_that_take_long(
    served: Platform,
) -> None:
    settings = served.settings
    assert settings.database_url is not None
    variables = {
        "STREAMFLOW_HOME": str(settings.home),
        "STREAMFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
        "STREAMFLOW_MLFLOW_DATABASE": settings.mlflow_database,
        "PATH": os.environ["PATH"],
    }
    commands = [["models"], ["predict", USER], ["explain", USER]]
    child = subprocess.run(
        [sys.executable, "-c", RUN_COMMANDS, json.dumps(commands)],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    output, _, result = child.stdout.rpartition("RESULT")
    codes, imported = json.loads(result)
    assert codes == {"models": 0, "predict": 0, "explain": 0}, child.stderr
    assert "Production" in output
    assert sorted(set(imported) & set(DISPENSABLE)) == []


def test_the_sql_is_for_the_tables_of_the_installed_mlflow() -> None:
    assert newest_schema() == TABLES_VERSION


def read_tables(platform: Platform) -> RegistryTables:
    return RegistryTables(platform.address.with_database(platform.settings.mlflow_database), MODEL)


def test_the_tables_say_what_mlflows_client_says(served: Platform) -> None:
    client = served.models._client
    by_tables, by_client = read_tables(served).read_content(), read_by_client(client, MODEL)
    assert by_tables is not None
    assert len(by_tables.versions) == len(by_client.versions) == 1
    names = ("run_id", "current_stage", "creation_timestamp", "last_updated_timestamp", "tags")
    for own, mlflows in zip(by_tables.versions, by_client.versions, strict=True):
        assert own.version == int(mlflows.version)
        assert [getattr(own, name) for name in names] == [getattr(mlflows, name) for name in names]
        assert by_tables.read_metrics(own) == by_client.read_metrics(mlflows)
        assert read_tables(served).find_model_location(
            own.version
        ) == client.get_model_version_download_uri(MODEL, mlflows.version)
        run = client.get_run(own.run_id)
        assert read_tables(served).find_run_location(own.run_id) == run.info.artifact_uri
    assert by_tables.aliases == by_client.aliases == {"production": 1}
    assert by_tables.model_tags == by_client.model_tags
    stages = read_tables(served).read_stages()
    assert stages == find_stages(by_client)
    assert stages is not None
    assert stages.versions_by_stage == {"Production": [1], "Staging": []}


def test_a_number_that_no_version_can_have_is_of_no_version(served: Platform) -> None:
    for number in (2**31, 2**63):
        assert served.models.find_version(number) is None


def test_what_somebody_changes_in_mlflow_is_seen_at_once(served: Platform) -> None:
    client = served.models._client
    with ignore_stage_warnings():
        client.transition_model_version_stage(MODEL, "1", "Archived")
        assert version_in_stage(served) is None
        client.transition_model_version_stage(MODEL, "1", "Production")
    version = version_in_stage(served)
    assert version is not None
    assert (version.version, version.stage) == (1, "Production")
    client.log_metric(version.run_id, "a note", float("nan"))
    assert str(served.models.version(1).metrics["a note"]) == "nan"


def test_tables_of_a_different_version_are_read_by_mlflow(served: Platform) -> None:
    database = served.address.with_database(served.settings.mlflow_database)
    assert RegistryTables(database.with_database("no such database"), MODEL).read_content() is None
    assert RegistryTables(served.address, MODEL).read_content() is None


def test_a_kept_connection_reads_each_change_and_is_replaced_when_it_is_lost(
    served: Platform,
) -> None:
    database = served.address.with_database(served.settings.mlflow_database)
    tables = RegistryTables(database, MODEL, keeps_connection=True)

    def read_aliases() -> dict[str, int]:
        content = tables.read_content()
        assert content is not None
        return dict(content.aliases)

    def find_backends() -> list[int]:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND application_name = 'streamflow'"
        )
        return [pid for (pid,) in rows]

    with connect(served.login.with_database(database.database), autocommit=True) as connection:
        others = set(find_backends())
        assert read_aliases() == {"production": 1}
        [backend] = set(find_backends()) - others
        served.models._client.set_registered_model_alias(MODEL, "kept", "1")
        assert read_aliases() == {"production": 1, "kept": 1}
        served.models._client.delete_registered_model_alias(MODEL, "kept")
        assert backend in find_backends()
        connection.execute("SELECT pg_terminate_backend(%s)", [backend])
        with pytest.raises(DatabaseUnavailable):
            read_aliases()
        assert read_aliases() == {"production": 1}
        tables.close()
        assert wait_for(lambda: set(find_backends()) <= others, seconds=5)


def test_tables_of_a_newer_mlflow_are_read_by_its_client(
    served: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_tables, "TABLES_VERSION", "an older one")
    assert read_tables(served).read_content() is None
    assert read_tables(served).find_model_location(1) is None
    version = served.models.version(1)
    assert (version.stage, version.aliases) == ("Production", ("production",))
    assert served.models.read_run_file(version.run_id, PASSPORT.name)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "sqlite:///mlflow.db", "file:///mlruns"])
def test_a_different_mlflow_is_asked_through_its_client(served: Platform, address: str) -> None:
    """Our own database may still have tables of MLflow, with versions of an earlier time."""
    settings = served.settings.model_copy(update={"mlflow_tracking_uri": address})
    with open_platform(settings) as platform:
        registry = platform.models
        assert registry._reader._tables is registry._files._tables is None
