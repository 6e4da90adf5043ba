"""Look at the lengths of the lines of a text while it is read in chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LINE_FEED = 10  # the byte


@dataclass
class LineLengths:
    r"""What the chunks so far say about lines, which end with a line feed.

    Attributes:
        lines: The number of line feeds.
        longest: The number of bytes of the longest line, without its line feed.
        open_line: The number of bytes after the last line feed.

    >>> lengths = LineLengths()
    >>> for chunk in (b"a\nbcd", b"ef\n\n", b"gh"):
    ...     lengths.add(chunk)
    >>> lengths.lines, lengths.longest, lengths.open_line
    (3, 5, 2)
    """

    lines: int = 0
    longest: int = 0
    open_line: int = 0

    def add(self, chunk: bytes) -> None:
        """Count the lines of the next chunk."""
        ends = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == LINE_FEED)
        if len(ends) == 0:
            self.open_line += len(chunk)
        else:
            first = self.open_line + int(ends[0])
            within = int(np.diff(ends).max(initial=1)) - 1
            self.lines += len(ends)
            self.longest = max(self.longest, first, within)
            self.open_line = len(chunk) - int(ends[-1]) - 1
        self.longest = max(self.longest, self.open_line)


@dataclass
class LongLines:
    r"""Tells whether a line is longer than a limit. It looks at few bytes, so it takes little time.

    Attributes:
        limit: The number of bytes that a line may have, without its line feed.
        has_long_line: Whether a line of the chunks so far is longer.
        open_line: The number of bytes after the last line feed.

    >>> lines = LongLines(limit=3)
    >>> for chunk in (b"a\nbcd\n", b"ef", b"gh"):
    ...     lines.add(chunk)
    ...     print(lines.has_long_line)
    False
    False
    True
    """

    limit: int
    has_long_line: bool = False
    open_line: int = 0

    def add(self, chunk: bytes) -> None:
        """Look at the next chunk: the last line feed within the limit is where the next begins."""
        start = -self.open_line
        while not self.has_long_line and len(chunk) - start > self.limit:
            line_end = chunk.rfind(b"\n", max(start, 0), start + self.limit + 1)
            self.has_long_line = line_end < 0
            start = line_end + 1
        last_end = chunk.rfind(b"\n")
        if last_end < 0:
            self.open_line += len(chunk)
        else:
            self.open_line = len(chunk) - last_end - 1
