"""The environment level: interpreter, platform and every distribution."""

from __future__ import annotations

import platform
import re
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
        "distributions": _distributions(),
    }


def _distributions() -> dict[str, str]:
    """Name -> version; of two with one name it is the first on the path, which is the one that is imported."""
    found: dict[str, str] = {}
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", str(distribution.metadata["Name"])).lower()
        found.setdefault(name, distribution.version)
    return {name: found[name] for name in sorted(found) if name != OURS}


def _simd() -> list[str]:
    """The vector instructions that numpy found: other ones may round a sum otherwise."""
    built = np.show_config(mode="dicts")["SIMD Extensions"]
    return sorted([*built["baseline"], *built["found"]])
