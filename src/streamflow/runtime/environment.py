"""The environment level: interpreter, platform and every distribution."""

from __future__ import annotations

import platform
import re
import sys
from functools import cache
from importlib.metadata import distributions
from typing import Any

import numpy as np

OURS = "streamflow"  # we are the code level


def environment() -> dict[str, Any]:
    """What this process runs on; the same in every process of one virtual environment on one kind of machine."""
    return {
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "simd": ", ".join(_simd()),
        "distributions": dict(_distributions(tuple(sys.path))),
    }


@cache  # two hundred files to parse, and what is loaded from a path does not change while a process runs
def _distributions(path: tuple[str, ...]) -> dict[str, str]:
    """Name -> version; of two with one name it is the first on the path, which is the one that is imported."""
    found: dict[str, str] = {}
    for distribution in distributions(path=list(path)):
        said = distribution.metadata
        found.setdefault(re.sub(r"[-_.]+", "-", str(said["Name"])).lower(), str(said["Version"]))
    return {name: found[name] for name in sorted(found) if name != OURS}


def _simd() -> list[str]:
    """The vector instructions that numpy found: other ones may round a sum otherwise."""
    built = np.show_config(mode="dicts")["SIMD Extensions"]
    return sorted([*built["baseline"], *built["found"]])
