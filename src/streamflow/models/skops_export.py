"""Write a model to skops' format so that equal models give equal bytes.

`skops.io.dump` writes the places of objects in memory and the time of day.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from streamflow.models.skops_import import import_skops

#: Stronger compression takes much longer and saves little.
COMPRESSION_LEVEL = 1


def dump(model: Any, path: Path) -> None:
    """Write a model to a compressed file, as `skops.io.dump` does.

    skops has no public place for the two differences: its context gives an object its number, and
    its archive gives a member its time.
    """
    import_skops()
    from skops import __version__
    from skops.io._utils import SaveContext, get_state

    numbers: dict[int, int] = {}

    class NumberedContext(SaveContext):  # type: ignore[misc]  # skops has no types that we use
        def memoize(self, obj: Any) -> int:
            """Return the number of an object, in the order in which they are written, from 1."""
            memory_address: int = super().memoize(obj)
            return numbers.setdefault(memory_address, len(numbers) + 1)

    with _TimelessZip(path, "w") as archive:
        context = NumberedContext(zip_file=archive)
        state = get_state(model, context)
        state["protocol"] = context.protocol
        state["_skops_version"] = __version__
        archive.writestr("schema.json", json.dumps(state, indent=2))


class _TimelessZip(ZipFile):
    """An archive whose members have no time."""

    def writestr(self, zinfo_or_arcname: str | ZipInfo, data: Any, *_: Any, **__: Any) -> None:
        """Write a compressed member."""
        member = ZipInfo(str(zinfo_or_arcname))  # skops gives names only
        super().writestr(member, data, ZIP_DEFLATED, COMPRESSION_LEVEL)
