"""MLflow as we use it: its errors in our words, its schema, and the one warning of it that we expect."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from streamflow.errors import DatabaseUnavailable, NotMigrated, StreamflowError, VersionMissing

DATABASE_SCHEMES = ("postgresql", "sqlite", "mysql", "mssql")


def is_database(tracking_uri: str) -> bool:
    """Whether MLflow's store is reached directly, and not through an MLflow server.

    >>> is_database("postgresql+psycopg:///mlflow"), is_database("http://localhost:5000")
    (True, False)
    """
    return tracking_uri.startswith(DATABASE_SCHEMES)


@contextmanager
def translated() -> Iterator[None]:
    """MLflow's errors become ours."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as exc:
        raise _ours(exc) from exc
    except Exception as exc:
        if (
            type(exc).__name__ != "OperationalError"
        ):  # SQLAlchemy's; by name, for drivers stay in `database`
            raise
        raise DatabaseUnavailable(
            f"MLflow's store cannot be reached: {str(exc).splitlines()[0]}"
        ) from exc


def _ours(error: Exception) -> StreamflowError:
    code, text = str(getattr(error, "error_code", "")), str(error)
    if code == "RESOURCE_DOES_NOT_EXIST":
        return VersionMissing(f"MLflow: {text}")
    if "out-of-date database schema" in text:
        return NotMigrated("MLflow's tables are of another version of MLflow")
    if code == "TEMPORARILY_UNAVAILABLE" or "OperationalError" in text or "API request to" in text:
        return DatabaseUnavailable(f"MLflow's store cannot be reached: {text.splitlines()[0]}")
    return StreamflowError(f"MLflow: {text}", state="")


@contextmanager
def stage_warnings_expected() -> Iterator[None]:
    """Stages are deprecated in MLflow 3, and the mission's word; aliases are set beside them, which is what will remain."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore",
            message=".*transition_model_version_stage.* is deprecated",
            category=FutureWarning,
        )
        yield


def migrate_store(tracking_uri: str, artifact_root: str) -> bool:
    """Bring MLflow's tables to the version of this MLflow; False when they are.

    The first store that opens an empty database also writes the experiment 'Default', so it is told our artifact root.
    """
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with translated(), _quiet("mlflow", "alembic"):
        engine = SqlAlchemyStore._get_or_create_engine(
            tracking_uri
        )  # the one that it keeps for this URI
        found = utils._get_schema_version(engine)  # MLflow has no public way to ask
        if found == utils._get_latest_schema_revision():
            return False
        if found is not None:
            utils._upgrade_db(engine)  # all that the command `mlflow db upgrade` calls
        SqlAlchemyStore(tracking_uri, artifact_root)
        return True


def newest_schema() -> str:
    """The version of MLflow's tables that this MLflow needs."""
    from mlflow.store.db import utils

    found: str = utils._get_latest_schema_revision()  # MLflow has no public way to ask
    return found


def store_versions(tracking_uri: str) -> tuple[str | None, str]:
    """The version of MLflow's tables, None where there are none, and the one that this MLflow needs; changes nothing."""
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with translated(), _quiet("mlflow", "alembic"):
        engine = SqlAlchemyStore._get_or_create_engine(tracking_uri)  # as above
        return utils._get_schema_version(engine), utils._get_latest_schema_revision()


def release_store(tracking_uri: str) -> None:
    """Close the idle connections of MLflow's stores, which it keeps for the whole process under their URI.

    Ours names neither host nor port (libpq's variables do): without this the next installation of the same process would
    be answered by the server of the last one.
    """
    from mlflow.store.model_registry import sqlalchemy_store as registry
    from mlflow.store.tracking import sqlalchemy_store as tracking

    for store in (tracking.SqlAlchemyStore, registry.SqlAlchemyStore):
        engine = store._engine_map.get(tracking_uri)  # MLflow has no public way to close a store
        if engine is not None:
            engine.dispose()


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Without the lines that a vendor logs about each of its migrations."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
