"""Write the public addresses of the project into the metadata of the wheel.

The repository has no public address of its own: who publishes a release decides it. They give it
once, as `make wheel PROJECT_URL=https://…`. Without an address the wheel has no links.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

VARIABLE = "STREAMFLOW_PROJECT_URL"  # the Makefile sets it from PROJECT_URL
ADDRESS = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[\w.~-]+)+")
# The paths that GitHub has. GitLab leads them to its own.
PATHS = {
    "Source": "",
    "Documentation": "/tree/HEAD/docs",
    "Changelog": "/blob/HEAD/CHANGELOG.md",
    "Issues": "/issues",
}


def list_urls(address: str) -> dict[str, str]:
    """Return label -> URL for the address of a repository; nothing for an empty address.

    Raises:
        ValueError: The address is not one of a repository on the web.

    >>> list_urls("https://git.example.org/team/streamflow")["Issues"]
    'https://git.example.org/team/streamflow/issues'
    """
    if not address:
        return {}
    if not ADDRESS.fullmatch(address) or address.endswith(".git"):
        raise ValueError(
            f"{VARIABLE}: {address!r} does not have the form https://HOST/OWNER/NAME."
            " Nothing was built."
            " Give it as a browser shows it, such as https://git.example.org/team/streamflow,"
            " without a slash or .git at its end."
        )
    return {label: address + path for label, path in PATHS.items()}


class ProjectUrls(MetadataHookInterface):
    """Fill in `project.urls`, which pyproject.toml leaves to the build."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the URLs of the project, or say that there are none."""
        urls = list_urls(os.environ.get(VARIABLE, ""))
        if not urls:
            print("No address of the project is given: the wheel has no links.", file=sys.stderr)
        # A wheel of a source archive keeps the links of the archive.
        metadata["urls"] = urls or metadata.get("urls", {})
