"""Checks of this machine: Python, distributions, folders, disk, port, leftovers."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import sys
from errno import EADDRINUSE
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from streamflow.core.data.counts import count_of
from streamflow.database import data_folder, find_orphaned_servers
from streamflow.files.home_catalog import load_home_catalog
from streamflow.packages import DISTRIBUTION, EXTRAS
from streamflow.settings import Settings
from streamflow.steps.upkeep.doctor.finding import Finding, State, ok_or_wrong

MIN_FREE_GB = 2  # the demo takes half of it
# The share of the packages of an extra that may be missing if somebody asked for the extra.
MAX_MISSING_SHARE = 0.5
VENDORS = (DISTRIBUTION, "mlflow", "feast", "prefect", "fastapi", "scikit-learn", "polars")
PROBE_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 4_000_000
# The codes with which our API refuses a request without a key, and while it cannot read the keys.
KEY_CODES = ("unauthorized", "keys_unknown")
WRITABLE_BY_OTHERS = 0o022  # the write bits of the group and of everybody


def check_python(_settings: Settings) -> Finding:
    """Check the version of the Python interpreter."""
    return Finding(
        subject="Python",
        state=ok_or_wrong(sys.version_info >= (3, 11)),
        text=".".join(map(str, sys.version_info[:3])),
        remedy="Install Python 3.11 or newer.",
    )


def check_versions(_settings: Settings) -> Finding:
    """Check that the declared distributions are installed, in versions that were tested.

    An extra that nobody asked for may be missing. Nothing records what was asked for, so an extra
    counts as installed if most of the packages that it adds to the smaller one are.
    """
    problems: list[str] = []
    installed_extra = ""
    smaller_requirements: list[Requirement] = []
    for extra in ("", *EXTRAS):
        requirements = _list_requirements(extra)
        smaller_names = {requirement.name for requirement in smaller_requirements}
        added = [
            requirement for requirement in requirements if requirement.name not in smaller_names
        ]
        missing_or_untested = list(filter(None, map(_describe_problem, added)))
        if not extra or len(missing_or_untested) <= len(added) * MAX_MISSING_SHARE:
            installed_extra = extra
            problems += missing_or_untested
        smaller_requirements = requirements
    installed = ", ".join(f"{name} {_read_version(name) or 'missing'}" for name in VENDORS)
    return Finding(
        subject="versions",
        state=ok_or_wrong(not problems),
        text="; ".join([*problems, f"extra: {installed_extra or 'none'}", installed]),
        remedy=f"Run 'make setup', or pip install '{DISTRIBUTION}[{installed_extra}]'.",
    )


def _list_requirements(extra: str) -> list[Requirement]:
    """Return what an extra requires on this machine, the default included; "": the default."""
    requirements = map(Requirement, requires(DISTRIBUTION) or ())
    return [
        requirement
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
    ]


def _read_version(name: str) -> str | None:
    """Return the installed version of a distribution; None when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _describe_problem(requirement: Requirement) -> str:
    """Say why a requirement is not met; empty when it is met."""
    installed = _read_version(requirement.name)
    if installed is None:
        return f"{requirement.name} is missing"
    is_met = requirement.specifier.contains(installed, prereleases=True)
    return "" if is_met else f"{requirement.name} is {installed}, not {requirement.specifier}"


def check_paths(settings: Settings) -> Finding:
    """Say where the data is, and check that the state folder is a folder."""
    home = settings.home.absolute()
    database = "on your server" if settings.database_url else f"in {data_folder(home)}"
    return Finding(
        subject="paths",
        state=ok_or_wrong(not home.exists() or home.is_dir()),
        text=f"The state folder is {home}, the database lies {database}, and the artifacts of"
        f" MLflow are in {settings.artifact_root or home / 'artifacts'}.",
        remedy=f"{home} is not a folder: set STREAMFLOW_HOME.",
    )


def check_catalog(settings: Settings) -> Finding:
    """Check that the catalog can be read."""
    catalog_file = load_home_catalog(settings.home.absolute(), settings.catalog)
    tables = count_of(len(catalog_file.catalog.frozen_tables), "table")
    features = count_of(len(catalog_file.catalog.features), "feature")
    text = f"{catalog_file.name}: {tables}, {features}"
    return Finding(subject="catalog", state=State.OK, text=text)


def check_inbox(settings: Settings) -> Finding:
    """Check that the folder exists in which drops arrive."""
    return Finding(
        subject="inbox",
        state=ok_or_wrong(settings.inbox is None or settings.inbox.is_dir()),
        text=str(settings.inbox or "none is set"),
        remedy="Create it, or set STREAMFLOW_INBOX.",
    )


def check_disk(settings: Settings) -> Finding:
    """Check the free space on the file system of the state folder."""
    folder = _nearest_existing(settings.home.absolute())
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Finding(
        subject="disk",
        state=ok_or_wrong(free_gb > MIN_FREE_GB),
        text=f"{free_gb:.1f} GB free at {folder}",
        remedy=f"Free {MIN_FREE_GB} GB, or set STREAMFLOW_HOME.",
    )


def _nearest_existing(path: Path) -> Path:
    """Return the path itself, or the nearest folder above it that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def check_home(settings: Settings) -> Finding:
    """Check that only you can write to the state folder.

    Somebody else who can write there can plant a model or a feature definition.
    """
    path = settings.home.absolute()
    nearest = _nearest_existing(path)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            subject="home",
            state=State.WRONG,
            text=f"{nearest} cannot be written",
            remedy="Set STREAMFLOW_HOME.",
        )
    remedy = f"Run 'chmod go-w {path}'."
    if not path.exists():
        return Finding(
            subject="home",
            state=State.OK,
            text=f"{path} is not made yet",
            remedy=remedy,
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    return Finding(
        subject="home",
        state=ok_or_wrong(not mode & WRITABLE_BY_OTHERS),
        text=f"{path} has mode {mode:04o}",
        remedy=remedy,
    )


def check_port(settings: Settings) -> Finding:
    """Check that the API's port is free, or that our API uses it."""
    host = settings.api_host
    number = settings.api_port
    if number == 0:
        return Finding(subject="port", state=State.OK, text="any free one")
    name = f"{number} of {host}"
    error = _try_to_bind(host, number)
    if error is None:
        return Finding(subject="port", state=State.OK, text=f"{name} is free")
    if error.errno != EADDRINUSE:
        return Finding(
            subject="port",
            state=State.WRONG,
            text=f"{name} cannot be used: {error.strerror}",
            remedy="Set STREAMFLOW_API_HOST or STREAMFLOW_API_PORT.",
        )
    catalog_file = load_home_catalog(settings.home.absolute(), settings.catalog)
    api = _describe_api(host, number, catalog_file.catalog.model)
    return Finding(
        subject="port",
        state=ok_or_wrong(bool(api)),
        text=f"{name}: {api}" if api else f"{name} is taken by another program",
        remedy="Set STREAMFLOW_API_PORT.",
    )


def _try_to_bind(host: str, number: int) -> OSError | None:
    """Bind to the port for a moment. Return why this cannot be done; None if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            return error
    return None


def _describe_api(host: str, number: int, title: str) -> str:
    """Say that an API with this title answers on the port, or one that asks for a key.

    The text is empty if something else answers, or nothing.
    """
    connection = HTTPConnection(host, number, timeout=PROBE_TIMEOUT_S)  # asks no proxy
    try:
        connection.request("GET", "/openapi.json")
        answer = connection.getresponse()
        content = json.loads(answer.read(MAX_ANSWER_BYTES))
        if answer.status == HTTPStatus.OK:
            return "our API answers" if content["info"]["title"] == title else ""
        return "an API that asks for a key answers" if content["code"] in KEY_CODES else ""
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return ""
    finally:
        connection.close()


# A machine where tests were killed can have hundreds. The next check names further ones.
MAX_ORPHANS_NAMED = 10


def check_leftovers(_settings: Settings) -> Finding:
    """Name the server folders of different installations whose state folder is gone.

    They are only a note, because they do not disturb this installation. Nothing is deleted: a
    state folder that was moved and not used since still needs its server folder.
    """
    orphans = find_orphaned_servers()
    if not orphans:
        return Finding(subject="leftovers", state=State.OK, text="none")
    named_orphans = orphans[:MAX_ORPHANS_NAMED]
    names = ", ".join(f"{orphan.root} of {orphan.home}" for orphan in named_orphans)
    roots = " ".join(str(orphan.root) for orphan in named_orphans)
    if len(orphans) > MAX_ORPHANS_NAMED:
        names += f", and {len(orphans) - MAX_ORPHANS_NAMED} more"
    return Finding(
        subject="leftovers",
        state=State.NOTE,
        text=f"server folders whose state folder is gone: {names}",
        remedy="If such a state folder was moved, run 'streamflow --home DIR doctor' with its new"
        f" place: this tells the server folder. Only if it was deleted, delete {roots}.",
    )
