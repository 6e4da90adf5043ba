"""What Python's zipfile raises for an archive that is damaged, or was made to look like one."""

from __future__ import annotations

import lzma
import struct
import zlib
from zipfile import BadZipFile

# RuntimeError: a password. NotImplementedError, one of its kind: a version that is not known.
# ValueError: a name that is no text.
ZIP_ERRORS = (
    BadZipFile,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
