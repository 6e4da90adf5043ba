"""How many processors a computation of a model may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_one_processor: ContextVar[bool] = ContextVar("is_one_processor", default=False)


def count_processors() -> int:
    """Return how many processors a computation may use: all that this process may use, or one."""
    return 1 if _is_one_processor.get() else len(os.sched_getaffinity(0))


@contextmanager
def use_one_processor() -> Iterator[None]:
    """Compute with one processor in this thread.

    The engine gives each of its tasks one processor. With more threads the tasks of a machine
    would wait for each other.
    """
    token = _is_one_processor.set(True)
    try:
        yield
    finally:
        _is_one_processor.reset(token)
