"""The log of the API: one line per event, as JSON or as text for people.

It holds no value of a client. The message of an exception or of a library may quote a key or a
feature value (PostgreSQL's DETAIL does, and pydantic does). So the log shows an exception by its
types and code positions, and a line of a library by its code position only, unless the messages of
that library are known to quote nothing.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

# Log level of the API -> log level of the libraries. At "info" libraries only log warnings: what
# they log about their own work is for debugging.
LIBRARY_LEVELS = {"info": "warning"}

# The messages of these libraries contain only addresses, ports and states. We read their sources.
SAFE_LIBRARIES = ("uvicorn", "psycopg.pool")


class LogStream:
    """A stream that can fail, for example on a full disk, without failing its writer.

    An answer must not fail because the line about it cannot be written. The first line after that
    says how many lines may be missing.
    """

    def __init__(self, stream: TextIO, render_loss: Callable[[int], str]) -> None:
        self._stream = stream
        self._render_loss = render_loss
        self._lost_lines = 0

    def write(self, text: str) -> int:
        """Write a text. Count it if the stream refuses it."""
        try:
            return self._stream.write(text)
        except OSError:
            self._lost_lines += 1
            return 0

    def flush(self) -> None:
        """Flush the stream. Say how many lines were lost if it works again."""
        try:
            self._stream.flush()
            if self._lost_lines:
                self._stream.write(f"{self._render_loss(self._lost_lines)}\n")
                self._stream.flush()
                self._lost_lines = 0
        except OSError:
            self._lost_lines += 1


def open_log(log_format: Literal["console", "json"], level: str) -> FilteringBoundLogger:
    """Open the log of this process, which also takes the lines of libraries and Python's warnings.

    JSON is written to stdout, text for people to stderr.
    """
    stream = sys.stdout if log_format == "json" else sys.stderr
    renderer = _choose_renderer(log_format, stream)
    log_stream = LogStream(stream, partial(_render_loss, renderer))
    handler = logging.StreamHandler(log_stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_hide_library_message, _complete_line],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    library_level = LIBRARY_LEVELS.get(level, level)
    logging.basicConfig(handlers=[handler], level=library_level.upper(), force=True)
    logging.getLogger("uvicorn").setLevel(level.upper())
    logging.captureWarnings(capture=True)
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", log_stream)),
        processors=[_complete_line, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    ).bind()  # Without this, structlog would make a logger for each line.
    return log


def _render_loss(renderer: Any, lines: int) -> str:
    event = {"event": "the log could not be written", "lines_at_most": lines}
    return str(renderer(None, "warning", _complete_line(None, "warning", event)))


def _choose_renderer(log_format: Literal["console", "json"], stream: TextIO) -> Any:
    if log_format == "json":
        return structlog.processors.JSONRenderer()
    if stream.isatty():
        return structlog.dev.ConsoleRenderer(
            timestamp_key="time",
            pad_event_to=8,
            sort_keys=False,
        )
    return _render_plain


def _complete_line(_: object, level: str, event: EventDict) -> EventDict:
    """Put time, level and event first, and describe an exception without its message."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if error is not None:
        event["exception"] = describe(error)
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"time": time, "level": level, "event": event.pop("event"), **event}


def _render_plain(_: object, __: str, event: EventDict) -> str:
    """Render a line for people, without colours.

    structlog's own renderer does more work per line, and the API writes a line for each request.
    """
    head = f"{event.pop('time')} [{event.pop('level'):8}] {event.pop('event'):8}"
    exception = event.pop("exception", None)
    fields = [f"{name}={value}" for name, value in event.items()]
    line = " ".join([head, *fields])
    return line if exception is None else f"{line}\n{exception}"


def _hide_library_message(_: object, __: str, event: EventDict) -> EventDict:
    """Replace the message of a library by its code position, unless the library quotes nothing."""
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    is_safe = any(
        record.name == name or record.name.startswith(f"{name}.") for name in SAFE_LIBRARIES
    )
    if not is_safe:
        event["event"] = f"a message at {record.module}:{record.lineno}"
    event.pop("stack_info", None)
    return event


def describe(error: BaseException) -> str:
    """Return the types and code positions of an error and of its causes, without their messages.

    >>> describe(ValueError("the key 7590-VHVEG"))
    'builtins.ValueError'
    """
    return "\n".join(_describe_with_causes(error, set()))


def _describe_with_causes(error: BaseException, seen_ids: set[int]) -> Iterator[str]:
    seen_ids.add(id(error))
    error_type = type(error)
    sqlstate = getattr(error, "sqlstate", None)  # the five characters of a PostgreSQL error code
    suffix = f" (SQLSTATE {sqlstate})" if sqlstate else ""
    yield f"{error_type.__module__}.{error_type.__qualname__}{suffix}"
    for frame, number in traceback.walk_tb(error.__traceback__):
        yield f"  {frame.f_globals.get('__name__')}:{number} in {frame.f_code.co_name}"
    for cause in _list_causes(error):
        if id(cause) not in seen_ids:
            yield "because of"
            yield from _describe_with_causes(cause, seen_ids)


def _list_causes(error: BaseException) -> list[BaseException]:
    causes = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    context = None if error.__suppress_context__ else error.__context__
    direct_cause = error.__cause__ or context
    if direct_cause is not None:
        causes.append(direct_cause)
    return causes
