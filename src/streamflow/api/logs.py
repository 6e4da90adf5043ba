"""The log of the API: one line per event, JSON or for people. It holds no value of a client.

A message of an exception, or of a library, may quote a key or a feature value (PostgreSQL's DETAIL does, pydantic does). So an
exception is shown by its types and places, and of a library's line only the place, unless its messages are known not to quote.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

LIBRARIES = {"info": "warning"}  # what they tell of their own work is for debugging
QUOTES_NOTHING = ("uvicorn", "psycopg.pool")  # addresses, ports, states: read in their sources


def open_log(form: Literal["console", "json"], level: str) -> FilteringBoundLogger:
    """The log of this process, of libraries and Python's warnings too: JSON on stdout, text for people on stderr."""
    stream = sys.stdout if form == "json" else sys.stderr
    coloured = structlog.dev.ConsoleRenderer(timestamp_key="time", pad_event_to=8, sort_keys=False)
    render: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else coloured
        if stream.isatty()
        else _plain
    )
    handler = logging.StreamHandler(stream)
    clean = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_of_library, _line], processors=[clean, render]
        )
    )
    logging.basicConfig(handlers=[handler], level=LIBRARIES.get(level, level).upper(), force=True)
    logging.getLogger("uvicorn").setLevel(level.upper())
    logging.captureWarnings(capture=True)
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[_line, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return log


def _line(_: object, level: str, event: EventDict) -> EventDict:
    """What every line begins with, and an exception without its message."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if error is not None:
        event["exception"] = describe(error)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"time": now, "level": level, "event": event.pop("event"), **event}


def _plain(_: object, __: str, event: EventDict) -> str:
    """A line for people without colours, and without what structlog's renderer does for them: one is written for each request."""
    head = f"{event.pop('time')} [{event.pop('level'):8}] {event.pop('event'):8}"
    exception = event.pop("exception", None)
    line = " ".join([head, *(f"{name}={value}" for name, value in event.items())])
    return line if exception is None else f"{line}\n{exception}"


def _of_library(_: object, __: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    if not any(
        record.name == name or record.name.startswith(f"{name}.") for name in QUOTES_NOTHING
    ):
        event["event"] = f"a message at {record.module}:{record.lineno}"
    event.pop("stack_info", None)
    return event


def describe(error: BaseException) -> str:
    """Types and places of an error and of what caused it, without messages.

    >>> describe(ValueError("the key 7590-VHVEG"))
    'builtins.ValueError'
    """
    return "\n".join(_described(error, set()))


def _described(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    kind, state = type(error), getattr(error, "sqlstate", None)  # PostgreSQL's five characters
    yield f"{kind.__module__}.{kind.__qualname__}" + (f" (SQLSTATE {state})" if state else "")
    for frame, number in traceback.walk_tb(error.__traceback__):
        yield f"  {frame.f_globals.get('__name__')}:{number} in {frame.f_code.co_name}"
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for other in (*inner, cause):
        if other is not None and id(other) not in seen:
            yield "because of"
            yield from _described(other, seen)
