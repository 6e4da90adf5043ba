"""The state folder of the demo: its own, so that your installation never meets simulated data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from streamflow.cli.context import Invocation
from streamflow.errors import DropConflict, SettingsInvalid

if TYPE_CHECKING:
    from streamflow.platform import Platform

# The demo writes this file into its state folder. It names the database that the demo uses.
MARK_FILE = "demo.txt"
EMBEDDED = "embedded PostgreSQL"


def use_demo_home(call: Invocation) -> Invocation:
    """Return the same call, with the state folder of the demo as its state folder.

    A folder that --home names is used as it is, and so is the folder of an earlier demo. In all
    other cases it is the folder `<home>-demo`, beside the state folder of your installation.
    """
    settings = call.settings()
    home = settings.home
    is_named_by_flag = settings.origin("home") == "flag"
    if not is_named_by_flag and not (home / MARK_FILE).is_file():
        home = _folder_beside(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SettingsInvalid(
            f"{home}: the demo cannot make its state folder: {exc.strerror}",
            remedy="Name a different folder for it: streamflow --home DIR demo",
        ) from exc
    return dataclasses.replace(call, flags={**call.flags, "home": home})


def _folder_beside(home: Path) -> Path:
    """Return the path of the demo's folder. A relative path stays relative where it can."""
    base = home if home.name not in ("", "..") else home.resolve()
    return base.with_name(f"{base.name}-demo")


def claim_home(platform: Platform) -> None:
    """Write into the state folder that it is the demo's.

    Raises DropConflict if the database holds drops that the demo did not load.
    """
    database = EMBEDDED if platform.attachment else platform.login.display
    mark = platform.home / MARK_FILE
    is_claimed = mark.is_file() and mark.read_text(encoding="utf-8").strip() == database
    if is_claimed:
        return
    if _has_drops(platform):
        raise DropConflict(
            f"the database of {platform.home} holds drops that the demo did not load",
            remedy="The demo needs a state folder and a database of its own:"
            " streamflow --home .streamflow-demo demo",
        )
    mark.write_text(f"{database}\n", encoding="utf-8")


def _has_drops(platform: Platform) -> bool:
    from streamflow.warehouse.drops import delivered_files
    from streamflow.warehouse.installation import read_installation

    if read_installation(platform.login) is None:
        return False
    return bool(delivered_files(platform.connection))
