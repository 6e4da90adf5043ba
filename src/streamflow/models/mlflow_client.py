"""Our use of MLflow: its errors as ours, its database schema, and its one expected warning."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from streamflow.database.driver_errors import DISK_FULL_MESSAGE
from streamflow.errors import (
    DatabaseUnavailable,
    DiskFull,
    NotMigrated,
    StreamflowError,
    VersionMissing,
)

DATABASE_SCHEMES = ("postgresql", "sqlite", "mysql", "mssql")
# With MLflow's growing pauses, five attempts take 2.6 seconds.
CONNECTION_ATTEMPTS = 5
# The libraries with which MLflow reaches S3, Google's and Azure's stores.
STORE_LIBRARIES = ("boto3.", "botocore.", "google.api_core.", "google.auth.", "azure.")
STORE_REMEDY = (
    "Check the setting 'artifact_root' and the variables of the store, such as AWS_*. Then run the"
    " command again."
)
# The modules of MLflow that hold connections to a database. The class has the same name in both.
STORE_MODULES = (
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
)


def is_database(tracking_uri: str) -> bool:
    """Whether MLflow's store is a database that we reach directly, without an MLflow server.

    >>> is_database("postgresql+psycopg:///mlflow"), is_database("http://localhost:5000")
    (True, False)
    """
    return tracking_uri.startswith(DATABASE_SCHEMES)


@contextmanager
def translate_mlflow_errors() -> Iterator[None]:
    """Raise our own errors in place of MLflow's errors."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as exc:
        raise _translate(exc) from exc
    except Exception as exc:
        if is_store_error(exc):
            raise StreamflowError(
                f"MLflow's artifact store: {exc}", state="", remedy=STORE_REMEDY
            ) from exc
        # This error is SQLAlchemy's. We compare its name, because only the package `database` may
        # import drivers.
        if type(exc).__name__ != "OperationalError":
            raise
        raise DatabaseUnavailable(
            f"MLflow's store cannot be reached: {str(exc).splitlines()[0]}"
        ) from exc


def is_store_error(error: Exception) -> bool:
    """Return whether an error is of the library with which MLflow reaches an object store.

    MLflow does not translate all of them. The library is only there where it is used.
    """
    modules = (base.__module__ for base in type(error).__mro__)
    return any(module.startswith(STORE_LIBRARIES) for module in modules)


def _translate(error: Exception) -> StreamflowError:
    """Return our error for an error of MLflow."""
    code = str(getattr(error, "error_code", ""))
    text = str(error)
    if code == "RESOURCE_DOES_NOT_EXIST":
        return VersionMissing(f"MLflow: {text}")
    if "out-of-date database schema" in text:
        return NotMigrated("MLflow's tables belong to a different version of MLflow")
    if DISK_FULL_MESSAGE in text:
        return DiskFull(f"MLflow: {text.splitlines()[0]}")
    if code == "TEMPORARILY_UNAVAILABLE" or "OperationalError" in text or "API request to" in text:
        return DatabaseUnavailable(f"MLflow's store cannot be reached: {text.splitlines()[0]}")
    return StreamflowError(f"MLflow: {text}", state="")


@contextmanager
def ignore_stage_warnings() -> Iterator[None]:
    """Ignore MLflow's warning that stages are deprecated.

    Stages are deprecated in MLflow 3, but the mission asks for them. We set aliases beside the
    stages; the aliases will remain.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore",
            message=".*transition_model_version_stage.* is deprecated",
            category=FutureWarning,
        )
        yield


def migrate_store(tracking_uri: str, artifact_root: str) -> bool:
    """Migrate MLflow's tables to the installed version of MLflow.

    The first store that opens an empty database also creates the experiment 'Default'. So the store
    gets our folder of artifacts.

    Returns:
        False when the tables already had the right version.
    """
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    shorten_retries()
    with translate_mlflow_errors(), _without_log_lines("mlflow", "alembic"):
        # MLflow has no public functions for these steps. It keeps one engine per URI.
        engine = SqlAlchemyStore._get_or_create_engine(tracking_uri)  # noqa: SLF001
        present_schema = utils._get_schema_version(engine)  # noqa: SLF001
        if present_schema == utils._get_latest_schema_revision():  # noqa: SLF001
            return False
        if present_schema is not None:
            # The command `mlflow db upgrade` calls nothing but this function.
            utils._upgrade_db(engine)  # noqa: SLF001
        SqlAlchemyStore(tracking_uri, artifact_root)
        return True


def shorten_retries() -> None:
    """Let MLflow try for a few seconds to reach its database, and print nothing about it.

    MLflow itself tries for 100 seconds, and prints each error with the time until it tries again,
    and the traceback of a connection that was lost. Our own error says why the database cannot be
    reached.
    """
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = CONNECTION_ATTEMPTS
    logging.getLogger(utils.__name__).setLevel(logging.CRITICAL)


def newest_schema() -> str:
    """Return the version of MLflow's tables that the installed MLflow needs."""
    from mlflow.store.db import utils

    # MLflow has no public function for this.
    schema: str = utils._get_latest_schema_revision()  # noqa: SLF001
    return schema


def store_versions(tracking_uri: str) -> tuple[str | None, str]:
    """Return the version of MLflow's tables, and the version that the installed MLflow needs.

    The first one is None when there are no tables. The call changes nothing.
    """
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    shorten_retries()
    with translate_mlflow_errors(), _without_log_lines("mlflow", "alembic"):
        engine = SqlAlchemyStore._get_or_create_engine(tracking_uri)  # noqa: SLF001
        present_schema = utils._get_schema_version(engine)  # noqa: SLF001
        return present_schema, utils._get_latest_schema_revision()  # noqa: SLF001


def release_store(tracking_uri: str) -> None:
    """Close the idle connections of MLflow's stores.

    MLflow keeps its stores for the whole process under their URI. Our URI contains neither host nor
    port, because libpq's variables do. Without this function the next installation in the same
    process would get answers from the server of the last installation.

    Nothing is imported: a store that is not imported has no connection. A different thread may be
    importing MLflow at this moment, and a second import of it at the same time can fail.
    """
    for name in STORE_MODULES:
        store = getattr(sys.modules.get(name), "SqlAlchemyStore", None)
        # MLflow has no public function that closes a store.
        engine = store._engine_map.get(tracking_uri) if store else None  # noqa: SLF001
        if engine is not None:
            engine.dispose()


@contextmanager
def lend_store(tracking_uri: str) -> Iterator[None]:
    """Let MLflow's own functions in this process use this address during the block.

    The environment must name the address, too: it counts for an MLflow that is imported later.
    """
    if "mlflow" in sys.modules:
        import mlflow

        mlflow.set_tracking_uri(tracking_uri)
    try:
        yield
    finally:
        if is_database(tracking_uri):
            release_store(tracking_uri)


def release_tracking_uri(tracking_uri: str) -> None:
    """Let MLflow take its address from the environment again, if it is this one now.

    MLflow writes each address that it is given to MLFLOW_TRACKING_URI, too. A different value there
    is the user's, and stays. As in `release_store`, a different thread may be importing MLflow at
    this moment.
    """
    read_address = getattr(sys.modules.get("mlflow"), "get_tracking_uri", None)
    if read_address is None or read_address() != tracking_uri:
        return
    variable = os.environ.get("MLFLOW_TRACKING_URI")
    forget_tracking_uri()
    if variable is not None and variable != tracking_uri:
        os.environ["MLFLOW_TRACKING_URI"] = variable


def forget_tracking_uri() -> None:
    """Let MLflow take its address from the environment again, if it is imported.

    A process that has set a different address has it in MLFLOW_TRACKING_URI, too. MLflow deletes
    this variable here, so its former value must be set afterwards.
    """
    if "mlflow" in sys.modules:
        import mlflow

        mlflow.set_tracking_uri(None)


@contextmanager
def _without_log_lines(*names: str) -> Iterator[None]:
    """Suppress the lines that these loggers write about each migration of a vendor."""
    loggers = [logging.getLogger(name) for name in names]
    original_levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, original_levels, strict=True):
            logger.setLevel(level)
