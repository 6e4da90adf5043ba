"""doctor: what this installation needs, and whether it has it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass

from streamflow.database import connect, server_version
from streamflow.errors import StreamflowError
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.warehouse import installation

DISK_GB = 2  # a demo takes half of it


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    ok: bool
    found: str
    remedy: str = ""


def doctor(settings: Settings) -> list[Finding]:
    """Look at Python, disk, PostgreSQL, migrations, drops, live features and the version in Production."""
    findings = [_python(), _disk(settings)]
    try:
        with open_platform(settings, migrated=False) as platform:
            findings.append(_server(platform))
            findings += _contents(settings)
    except StreamflowError as error:
        findings.append(Finding(subject="PostgreSQL", ok=False, found=error.message, remedy=error.remedy))
    return findings


def _server(platform: Platform) -> Finding:
    if installation.state(platform.login) is None:
        return Finding(subject="PostgreSQL", ok=True, found=platform.login.display)
    with connect(platform.login) as connection:
        return Finding(subject="PostgreSQL", ok=True, found=f"{server_version(connection)} at {platform.login.display}")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(subject="Python", ok=sys.version_info >= (3, 11), found=version, remedy="Install Python 3.11 or newer.")


def _disk(settings: Settings) -> Finding:
    folder = next(p for p in (settings.home.absolute(), *settings.home.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free / 1e9
    return Finding(
        subject="disk",
        ok=free > DISK_GB,
        found=f"{free:.1f} GB free at {folder}",
        remedy=f"Free {DISK_GB} GB, or set STREAMFLOW_HOME.",
    )


def _contents(settings: Settings) -> list[Finding]:
    """What only a migrated database can say."""
    from streamflow.warehouse.drops import delivered

    try:
        with open_platform(settings) as platform:
            drops = delivered(platform.connection)
            version = platform.models.in_stage("Production")
    except StreamflowError as error:
        return [Finding(subject="migration", ok=False, found=error.message, remedy=error.remedy)]
    newest = f"{len(drops)}, newest {max(drops):%Y-%m-%d}" if drops else "none"
    return [
        Finding(subject="migration", ok=True, found="the database is what code and catalog ask for"),
        Finding(subject="drops", ok=bool(drops), found=newest, remedy="Run 'streamflow run DIR --as-of D'."),
        Finding(
            subject="Production",
            ok=version is not None,
            found=f"version {version.version}" if version else "no version",
            remedy="Run 'streamflow train --as-of D' and 'streamflow promote VERSION'.",
        ),
    ]
