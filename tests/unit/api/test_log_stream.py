"""A log on a full disk fails nobody, and says later that lines are missing."""

from __future__ import annotations

import errno
from io import StringIO

from streamflow.web.logs import LogStream


class FullDisk(StringIO):
    """A stream that refuses everything while its disk is full."""

    is_full = False

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_lines_are_counted_while_the_disk_is_full() -> None:
    disk = FullDisk()
    stream = LogStream(disk, lambda lines: f"{lines} lost")
    for text, disk.is_full in (("a\n", False), ("b\n", True), ("c\n", True), ("d\n", False)):
        stream.write(text)
        stream.flush()
    assert disk.getvalue().splitlines()[0] == "a"
    assert disk.getvalue().splitlines()[-1].endswith("lost")
    assert "d" in disk.getvalue().splitlines()
