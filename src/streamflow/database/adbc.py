"""Connections of ADBC, the driver that hands out Arrow: one that has read waits for the next read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import adbc_driver_manager

from streamflow.database.address import Address
from streamflow.errors import DatabaseUnavailable

_idle: dict[str, list[Any]] = {}  # an address of `kept` -> its connections that nobody reads by now


@contextmanager
def connection(address: Address) -> Iterator[Any]:
    """An ADBC connection (DB-API); without `commit` everything is rolled back. Raises DatabaseUnavailable."""
    with _opened(address, autocommit=False) as opened:
        yield opened


def _opened(address: Address, *, autocommit: bool) -> Any:
    from adbc_driver_postgresql import dbapi

    try:
        return dbapi.connect(address.uri(), autocommit=autocommit)
    except adbc_driver_manager.Error as exc:
        raise DatabaseUnavailable(f"{address.display}: {exc}") from exc


@contextmanager
def kept(address: Address) -> Iterator[None]:
    """Within it a connection that has read waits for the next read: opening one takes longer than most reads.

    One that has failed, or that the server closed meanwhile, is not used again; a connection has one reader at a time.
    """
    _idle.setdefault(address.uri(), [])
    try:
        yield
    finally:
        for opened in _idle.pop(address.uri(), []):
            opened.close()


@contextmanager
def reading(address: Address) -> Iterator[Any]:
    """A cursor in autocommit mode, of a connection that waits, else of a new one. Raises DatabaseUnavailable."""
    with ExitStack() as closing:
        opened = closing.enter_context(_waiting(address) or _opened(address, autocommit=True))
        with opened.cursor() as cursor:
            yield cursor
        idle = _idle.get(address.uri())
        if idle is not None:
            closing.pop_all()  # it is not closed
            idle.append(opened)


def _waiting(address: Address) -> Any | None:
    """A connection that waits and still answers."""
    idle = _idle.get(address.uri(), [])
    while idle:
        opened = idle.pop()
        try:
            with opened.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchall()
        except (
            adbc_driver_manager.Error
        ):  # the server ended it: a new one says whether there is a server
            opened.close()
        else:
            return opened
    return None
