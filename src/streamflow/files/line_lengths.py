"""Count the lines of a text, and measure the longest, while the text is read in chunks."""

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
