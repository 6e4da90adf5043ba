"""The logs of services, followed through their rotation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

POLL_S = 0.2


class Tail:
    """What is added to a file from now on, line by line; a file that takes its place is read from its beginning."""

    def __init__(self, path: Path) -> None:
        self._path, self._rest = path, ""
        self._file: IO[str] | None = self._open()
        if self._file:
            self._file.seek(0, 2)

    def _open(self) -> IO[str] | None:
        return (
            self._path.open(encoding="utf-8", errors="replace", newline="\n")
            if self._path.exists()
            else None
        )

    def lines(self) -> Iterator[str]:
        """The whole lines that were added since the last call."""
        replaced = self._replaced()
        if self._file:
            *whole, self._rest = (self._rest + self._file.read()).split("\n")
            yield from whole
        if replaced:
            self.close()
            self._file = self._open()

    def _replaced(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:  # not there yet, or just being renamed
            return False
        return self._file is None or not os.path.samestat(now, os.fstat(self._file.fileno()))

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()


def follow(
    logs: Mapping[str, Path], show: Callable[[str, str], None], alive: Callable[[], bool]
) -> None:
    """`show(name, line)` each new line of each log, as long as `alive`."""
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
