"""Text as it may be written to a terminal.

A reason, the name of a key or a cell of a file can hold characters that move the cursor, change
colours, set the title of the window or turn the direction of writing. A terminal would obey them.
"""

from __future__ import annotations

import re

# Control characters but newline and tab, and the characters that turn or hide text.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_ACTING_OR_BREAK = re.compile(f"{_ACTING.pattern}|[\n\t]")


def printable(text: str) -> str:
    r"""Return a text with each character that a terminal would obey as its escape.

    The escape is the one of JSON, so a JSON text keeps its meaning.

    >>> printable("\x1b]0;owned\x07 fine\n")
    '\\u001b]0;owned\\u0007 fine\n'
    """
    return _ACTING.sub(_escape, text)


def one_line(text: str) -> str:
    r"""Return a text that somebody typed, without line breaks: it cannot look like our own lines.

    >>> one_line("a\n[OK] b")
    'a\\u000a[OK] b'
    """
    return _ACTING_OR_BREAK.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
