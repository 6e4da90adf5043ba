# ruff: noqa: S608
# The SQL has only names of tables that this module makes.
"""A session with a Spark Connect server: open it, send it rows, and read what a query returns."""

from __future__ import annotations

import itertools
import re
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from streamflow.errors import EngineFailed, EngineUnavailable, LakeUnavailable, SnapshotDamaged
from streamflow.packages import missing_packages

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DEFAULT_PORT = 15002
CONNECT_TIMEOUT_S = 5.0
RETRIES = 3  # pyspark's own 15 take ten minutes to say that no server answers
MAJOR_VERSION = "4"
# Rows that are sent in one message. A message of gRPC may have 128 MB.
ROWS_PER_MESSAGE = 100_000
MESSAGE_LENGTH = 400  # of what is shown of an error of the server; the rest is its stack
TRACEBACK = "Traceback (most recent call last):"  # a worker sends one
PYTHON_ERROR = re.compile(r"^\w+(?:\.\w+)*(?:Error|Exception): .*", re.MULTILINE)


class SparkEngine:
    """A session with a Spark Connect server. Call `close` at the end: the server forgets all rows.

    Attributes:
        address: host and port of the server, without a token.
        version: the version of Spark that the server speaks.
        sent_tables: which revisions were sent, for all joins of this session.
    """

    def __init__(self, session: SparkSession, address: str, version: str) -> None:
        self.address = address
        self.version = version
        self.sent_tables: dict[Any, str] = {}
        self._session = session
        self._table_numbers = itertools.count(1)  # two threads may name tables

    def send(self, rows: pl.DataFrame) -> str:
        """Send rows to the server, in several messages if they are many.

        Returns:
            The table that they are until the session ends.
        """
        with translate_errors(self.address):
            if rows.is_empty():
                # Spark's client finds no types in a table without rows.
                nulls = self._send_message(rows.clear(1))
                return self.name(self._session.sql(f"SELECT * FROM {nulls} WHERE false"))
            names = [
                self._send_message(message_rows)
                for message_rows in rows.iter_slices(ROWS_PER_MESSAGE)
            ]
            if len(names) == 1:
                return names[0]
            selects = [f"SELECT * FROM {name}" for name in names]
            return self.name(self._session.sql(" UNION ALL ".join(selects)))

    def _send_message(self, rows: pl.DataFrame) -> str:
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        return self.name(self._session.createDataFrame(table))

    def name(self, rows: DataFrame) -> str:
        """Return the table that rows are until the session ends. They are not computed yet."""
        name = f"streamflow_{next(self._table_numbers)}"
        with translate_errors(self.address):
            rows.createOrReplaceTempView(name)
        return name

    def query(self, statement: str) -> DataFrame:
        """Return the rows of a statement. They are computed when `read` asks for them."""
        with translate_errors(self.address):
            return self._session.sql(statement)

    def number_tasks(self, count: int) -> DataFrame:
        """Return the numbers below `count`, at least one of them, each in a task of its own."""
        with translate_errors(self.address):
            return self._session.range(0, count, 1, count)

    def read(self, rows: DataFrame) -> pl.DataFrame:
        """Compute rows, and return all of them.

        Raises:
            EngineFailed: the server could not compute them.
            EngineUnavailable: the server no longer answers.
        """
        with translate_errors(self.address):
            return pl.DataFrame(rows.toArrow())

    def close(self) -> None:
        """End the session. A server that is gone has ended it already."""
        _end_session(self._session)


def open_engine(remote: str) -> SparkEngine:
    """Open a session with a Spark Connect server.

    Args:
        remote: the address, such as sc://host:15002, with a token or without.

    Raises:
        PackagesMissing: the extra `spark` is not installed.
        EngineUnavailable: nothing answers there, the server refuses, or it is not Spark 4.
    """
    url = urlsplit(remote)
    host = url.hostname or ""
    port = url.port or DEFAULT_PORT
    address = f"{host}:{port}"
    try:
        from pyspark.sql import SparkSession
        from pyspark.sql.connect.client.retries import DefaultPolicy
    except ModuleNotFoundError as error:
        raise missing_packages("the package pyspark", "spark") from error
    _require_listening(host, port)
    with translate_errors(address, opening=True), ExitStack() as closing:
        session = SparkSession.builder.remote(remote).create()
        # MLflow would ask the session of this process, also if its server never answered.
        closing.callback(_end_session, session)
        session.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES)])
        version = session.version
        closing.pop_all()
    engine = SparkEngine(session, address, version)
    if version.partition(".")[0] != MAJOR_VERSION:
        engine.close()
        raise EngineUnavailable(
            f"the server at {address} is Spark {version}, and streamflow needs"
            f" Spark {MAJOR_VERSION}",
            remedy=f"Name a server of Spark {MAJOR_VERSION}, or set engine = local.",
        )
    return engine


def _end_session(session: SparkSession) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.stop()


def _require_listening(host: str, port: int) -> None:
    """Raise EngineUnavailable if nothing listens at an address. Spark's client would try long."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise EngineUnavailable(
            f"no Spark Connect server answers at {host}:{port}: {error}"
        ) from error


@contextmanager
def translate_errors(address: str, *, opening: bool = False) -> Iterator[None]:
    """Turn an error of Spark's client into ours.

    Args:
        address: of the server.
        opening: whether the session is being opened: then the server has refused it.
    """
    from pyspark.errors import PySparkException

    try:
        with warnings.catch_warnings():
            # Spark's client warns about its retries; the error says it, too.
            warnings.simplefilter("ignore")
            yield
    except PySparkException as error:
        _raise_error_of_worker(str(error))
        reason = _shorten(str(error))
        if opening:
            raise EngineUnavailable(
                f"the server at {address} refuses the session: {reason}"
            ) from error
        if "StatusCode.UNAVAILABLE" in str(error):
            raise EngineUnavailable(
                f"the server at {address} no longer answers: {reason}",
                state="What was not committed is rolled back.",
            ) from error
        raise EngineFailed(f"the server at {address} failed: {reason}") from error


def _raise_error_of_worker(text: str) -> None:
    """Raise the error of ours that a worker has raised, if the message of the server has one."""
    for kind in (SnapshotDamaged, LakeUnavailable):
        marker = f".{kind.__name__}: "
        if marker in text:
            raise kind(text.rpartition(marker)[2].splitlines()[0], state="")


def _shorten(text: str) -> str:
    r"""Return what a message of the server says, on one line: of a traceback its error.

    >>> _shorten("Traceback (most recent call last):\n  File x\nValueError: no rows\n")
    'ValueError: no rows'
    """
    errors = PYTHON_ERROR.findall(text) if TRACEBACK in text else []
    line = " ".join((errors[-1] if errors else text).split())
    return line if len(line) <= MESSAGE_LENGTH else f"{line[:MESSAGE_LENGTH]}…"
