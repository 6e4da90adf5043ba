"""The environment level: interpreter, platform and every distribution."""

from __future__ import annotations

import platform
from importlib.metadata import distributions


def environment() -> dict[str, object]:
    """What this process runs on; the same in every process of one virtual environment."""
    found = {str(d.metadata["Name"]).lower().replace("_", "-"): d.version for d in distributions()}
    return {
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "distributions": dict(sorted(found.items())),
    }
