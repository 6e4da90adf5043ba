"""Follow the logs of services, also when a log is rotated."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

POLL_S = 0.2  # how often the logs are read


class Tail:
    """Reads the lines that are added to a file from now on.

    If a new file takes its place, the new file is read from its beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unfinished_line = ""
        self._file: IO[str] | None = self._open()
        if self._file:
            self._file.seek(0, os.SEEK_END)

    def _open(self) -> IO[str] | None:
        """Open the file; None when it does not exist."""
        if not self._path.exists():
            return None
        return self._path.open(encoding="utf-8", errors="replace", newline="\n")

    def lines(self) -> Iterator[str]:
        """Return the complete lines that were added since the last call."""
        is_replaced = self._is_replaced()
        if self._file:
            text = self._unfinished_line + self._file.read()
            *complete_lines, self._unfinished_line = text.split("\n")
            yield from complete_lines
        if is_replaced:
            self.close()
            self._file = self._open()

    def _is_replaced(self) -> bool:
        """Return whether the file at the path is a different one from the open file."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            # The file does not exist yet, or is just being renamed.
            return False
        return self._file is None or not os.path.samestat(status, os.fstat(self._file.fileno()))

    def close(self) -> None:
        """Close the file if it is open."""
        if self._file:
            self._file.close()


def follow_logs(
    logs: Mapping[str, Path],
    show: Callable[[str, str], None],
    alive: Callable[[], bool],
) -> None:
    """Show each new line of each log.

    Args:
        logs: The path of each log, by the name of its service.
        show: Called with the name and the line.
        alive: Following ends when this returns False.
    """
    tails = {name: Tail(path) for name, path in logs.items()}
    try:
        while alive():
            for name, tail in tails.items():
                for line in tail.lines():
                    show(name, line)
            time.sleep(POLL_S)
    finally:
        for tail in tails.values():
            tail.close()
