"""Hand lineage events to a file and to an HTTP address; a failure stops no step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from streamflow.outbound.http_post import name_receiver, post

# The longest wait for the receiver of lineage events. A receiver that took longer, or that could
# not be reached, is not asked again by the same command.
LIMIT_S = 2.0


class LineageReceiver:
    """Writes each event to the file and sends it to the address that the settings name."""

    def __init__(
        self,
        *,
        file: Path | None,
        url: str | None,
        api_key: str | None,
        notify: Callable[[str], None],
    ) -> None:
        """Begin with both receivers in use.

        Args:
            file: the file to which events are appended; None: none.
            url: the address to which events are sent; None: none.
            api_key: sent to the address as a bearer token.
            notify: receives one line for a receiver that fails.
        """
        self._file = file
        self._url = url
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._notify = notify

    def take(self, event: Mapping[str, Any]) -> None:
        """Write and send one event. A receiver that fails gets no more events."""
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        # A path whose bytes are no UTF-8 has half surrogates. JSON writes them as \udce9, too.
        line = text.encode(errors="backslashreplace")
        if self._file is not None:
            self._append(self._file, line + b"\n")
        if self._url is not None:
            self._send(self._url, line)

    def _append(self, file: Path, line: bytes) -> None:
        """Append one line by one write, so that lines of several processes do not mix."""
        try:
            # To open a named pipe that nobody reads is an error then. Otherwise it waits for ever.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
            descriptor = os.open(file, flags, 0o644)
            try:
                os.set_blocking(descriptor, True)
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as exc:
            self._file = None
            self._notify(f"lineage is not written to {file}: {exc.strerror}")
            return
        if written < len(line):
            self._file = None
            self._notify(f"lineage is not written to {file}: the disk is full")

    def _send(self, url: str, line: bytes) -> None:
        answer = post(url, line, self._headers, limit_s=LIMIT_S)
        if answer.is_accepted:
            return
        self._notify(f"lineage is not sent to {name_receiver(url)}: {answer.problem}")
        # An answer with a status is about this event: the receiver may take the next one.
        if answer.status is None:
            self._url = None
