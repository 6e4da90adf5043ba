"""Shared fixtures.

There is one real PostgreSQL per session, and for each test a database cloned from a migrated
template.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
from psycopg import sql
from support.fork_server import ForkServer
from support.shared import (
    all_made,
    create_shared_folder,
    first_alone,
    once,
    remove_shared_folder,
    shared_folder,
)

from streamflow.database import Address, attach, connect, from_url
from streamflow.database.embedded import remove_server
from streamflow.features.feast_import import without_typeguard
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings, load_settings
from streamflow.steps.data.migrate import migrate

# What `make test` hands over: a different PostgreSQL instead of the embedded one, and the folder
# above data/streamflow.
DATABASE_URL = os.environ.get("STREAMFLOW_TEST_DATABASE_URL", "")
# Hypothesis asserts 200 ms for each example by default. No test of ours asserts a time.
# `make prove` draws many examples, `make test` few.
hypothesis.settings.register_profile("few", deadline=None, max_examples=20)
hypothesis.settings.register_profile("many", deadline=None, max_examples=100)
hypothesis.settings.load_profile(os.environ.get("STREAMFLOW_TEST_EXAMPLES", "few"))
SERVER, TEMPLATE = "server", "template"  # names of what is shared
# Of the forests that tests train unless they say otherwise: 300 would take most of the time.
TREES = 25
CHEAP = {
    "trees": TREES,
    "bootstrap_draws": 100,
    "gate_draws": 300,
    "train_figures": False,
}  # what a test needs unless it says otherwise
# The files that take longest are begun first, so that all workers end at about the same time: each
# worker takes one file at a time.
LONGEST = (
    "test_documentation",
    "test_up",
    "test_reproduce",
    "test_compare",
    "test_kills",
    "test_serving_faults",
    "test_real_drops",
    "test_notebook",
    "test_inbox",
    "test_ledger",
    "test_gate",
    "test_monitor",
    "test_backup",
    "test_new_feature",
    "test_real_lifecycle",
    "test_demo",
    "test_recorded_code",
    "test_traps",
    "test_doctor",
    "test_score",
    "test_moving",
    "test_verify",
    "test_late_data",
    "test_embedded",
    "test_serving",
    "test_feature_repository",
    "test_honesty",
    "test_forget_beside",
    "test_api_security",
    "test_uninstall",
    "test_retrain",
    "test_prune",
    "test_models",
)
SHARED = Path(os.environ.get("STREAMFLOW_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_configure(config: pytest.Config) -> None:
    """Make what the workers of xdist share, in the first process of a run. It is removed later."""
    if not hasattr(config, "workerinput"):
        folder = create_shared_folder()
        config.add_cleanup(remove_shared_folder)
        config.add_cleanup(remove_shared_server)
        config.add_cleanup(ForkServer(folder).close)


def remove_shared_server() -> None:
    """Remove the embedded server of this run, or the templates that it made on another one."""
    made = all_made()
    if SERVER in made:
        remove_server(shared_folder() / SERVER)
    for name, template in made.items():
        if DATABASE_URL and name.startswith(TEMPLATE):
            Cluster(address=from_url(DATABASE_URL), template=template).drop(template)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect without what is done twice: about a third of the CPU time.

    pytest compiles each test module, which takes seconds for all of them. The first worker writes
    what it has compiled, and the others read it.
    Python searches for garbage again and again while it imports the libraries. There is none: what
    they define stays.
    """
    if session.config.getoption("numprocesses", None):
        return (yield)  # the process that only starts the workers
    writes_nothing, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    gc.disable()
    try:
        with first_alone("collection"):
            # Feast tells Prometheus' client to count in files, which all tests of a process share.
            # The client has decided by then.
            import_module("prometheus_client")
            with without_typeguard():  # as the platform imports it, before a test module does
                import_module("feast")
            return (yield)
    finally:
        sys.dont_write_bytecode = writes_nothing
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; within a file nothing moves."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Remove the developer's own settings and variables, and set the umask of our command line.

    These are the variables of libpq, MLflow, Prefect and Feast.
    """
    os.umask(os.umask(0) | 0o022)
    ours = ("STREAMFLOW_", "PG", "MLFLOW_", "PREFECT_", "FEATURE_REPO_")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(ours):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[Address]:
    """A PostgreSQL server, as a user that may create databases and roles."""
    if DATABASE_URL:
        yield from_url(DATABASE_URL)
        return
    with attach(shared_folder() / SERVER) as attachment:
        once(SERVER, lambda: set_server_up(attachment.address))
        yield attachment.address


def set_server_up(address: Address) -> str:
    """Databases come and go faster; nothing of them has to outlive the run.

    Tests of crashes have servers of their own.
    """
    with connect(address, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")
    return ""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Makes migrated databases on one server."""

    address: Address
    template: str

    def clone(self, name: str) -> None:
        """Both databases of an installation, copied from the templates."""
        with connect(self.address, autocommit=True) as connection:
            for suffix in ("", "_mlflow"):
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
                connection.execute(
                    statement.format(
                        sql.Identifier(name + suffix), sql.Identifier(self.template + suffix)
                    )
                )

    def make_empty(self, name: str) -> None:
        """Replace the databases, which are migrated with our catalog, by empty ones."""
        self.drop(name)
        with connect(self.address, autocommit=True) as connection:
            for database in (name, f"{name}_mlflow"):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    def drop(self, name: str) -> None:
        """Both databases of an installation, whoever is connected."""
        with connect(self.address, autocommit=True) as connection:
            for suffix in ("", "_mlflow"):
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                        sql.Identifier(name + suffix)
                    )
                )

    def settings(self, name: str, home: Path, **flags: object) -> Settings:
        """Settings of the installation `name`."""
        url = replace(
            self.address.with_database(name), role=None
        ).uri()  # which role a session takes is no part of a URL
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(
                "MLFLOW_TRACKING_URI", raising=False
            )  # that of another installation which is open now
            return load_settings(
                home=home, database_url=url, mlflow_database=f"{name}_mlflow", **{**CHEAP, **flags}
            )

    def variables(self, name: str, home: Path) -> dict[str, str]:
        """The same for a child process."""
        settings = self.settings(name, home)
        assert settings.database_url is not None
        return {
            "STREAMFLOW_HOME": str(home),
            "STREAMFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
            "STREAMFLOW_MLFLOW_DATABASE": settings.mlflow_database,
            **{f"STREAMFLOW_{name.upper()}": str(getattr(settings, name)) for name in CHEAP},
        }


@pytest.fixture(scope="session")
def cluster(server: Address) -> Cluster:
    """The server with a migrated template of each database."""

    def make() -> str:
        made = Cluster(address=server, template=f"sf_template_{uuid4().hex[:8]}")
        settings = made.settings(made.template, shared_folder() / made.template)
        with open_platform(settings, must_be_migrated=False) as platform:
            migrate(platform)
        return made.template

    return Cluster(address=server, template=once(f"{TEMPLATE} migrated", make))


@pytest.fixture
def installation(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """Name a new migrated installation, in the state that a mark of the test asks for."""
    name = f"sf_test_{uuid4().hex[:12]}"
    mark = request.node.get_closest_marker("state")
    if mark is None:
        cluster.clone(name)
    else:
        from support.states import copy_state

        drops = request.getfixturevalue("simulated_drops")
        copy_state(cluster, mark.args[0], drops, name, tmp_path / "home")
    yield name
    cluster.drop(name)


@pytest.fixture
def platform(cluster: Cluster, installation: str, tmp_path: Path) -> Iterator[Platform]:
    """A platform on a fresh migrated installation, with our own catalog."""
    with open_platform(cluster.settings(installation, tmp_path / "home")) as opened:
        yield opened


@pytest.fixture
def open_with(
    cluster: Cluster, installation: str, tmp_path: Path
) -> Iterator[Callable[..., Platform]]:
    """Open a platform on the fresh installation with different settings, such as a seed."""
    with ExitStack() as closing:

        def opened(*, migrated: bool = True, **flags: object) -> Platform:
            settings = cluster.settings(installation, tmp_path / "home", **flags)
            return closing.enter_context(open_platform(settings, must_be_migrated=migrated))

        yield opened


@pytest.fixture(scope="session")
def real_drops() -> Path:
    """The folder of the real drops; the test is skipped where it is absent."""
    folder = SHARED / "data" / "streamflow"
    if not (folder / "month_000").is_dir():
        pytest.skip(
            f"the real drops are not at {folder};"
            f" name the folder above data/streamflow in STREAMFLOW_SHARED"
        )
    return folder


@pytest.fixture(scope="session")
def simulated_drops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated months of 400 users."""
    from streamflow.steps.data.simulate import simulate

    folder = tmp_path_factory.mktemp("drops")
    simulate(folder, users=400, months=2, seed=1, notify=lambda _: None)
    return folder
