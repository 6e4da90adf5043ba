"""This machine: Python, distributions, folders, disk, port, what others left behind."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import sys
import urllib.request
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from streamflow.catalog import DEFAULT_PATH, load_catalog
from streamflow.database import data_folder, leftovers
from streamflow.settings import Settings
from streamflow.steps.upkeep.doctor.finding import Finding

DISK_GB = 2  # a demo takes half of it
VENDORS = ("streamflow", "mlflow", "feast", "prefect", "fastapi", "scikit-learn", "polars")
PROBE_S = 2.0


def python(_settings: Settings) -> Finding:
    """The interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        subject="Python",
        ok=sys.version_info >= (3, 11),
        found=found,
        remedy="Install Python 3.11 or newer.",
    )


def versions(_settings: Settings) -> Finding:
    """The distributions that we declare: are they there, and of a version that we were tested with?"""
    wanted = [Requirement(text) for text in requires("streamflow") or ()]
    wrong = [
        problem
        for r in wanted
        if (r.marker is None or r.marker.evaluate()) and (problem := _problem(r))
    ]
    found = ", ".join(f"{name} {_version(name) or 'missing'}" for name in VENDORS)
    return Finding(
        subject="versions",
        ok=not wrong,
        found="; ".join([*wrong, found]),
        remedy="Run 'make setup'.",
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _problem(requirement: Requirement) -> str:
    found = _version(requirement.name)
    if found is None:
        return f"{requirement.name} is missing"
    fits = requirement.specifier.contains(found, prereleases=True)
    return "" if fits else f"{requirement.name} is {found}, not {requirement.specifier}"


def paths(settings: Settings) -> Finding:
    """Where things are."""
    home = settings.home.absolute()
    data = "your server's" if settings.database_url else data_folder(home)
    found = f"home {home}, data {data}, artifacts {home / 'artifacts'}"
    ok = not home.exists() or home.is_dir()
    return Finding(
        subject="paths", ok=ok, found=found, remedy=f"{home} is no folder: set STREAMFLOW_HOME."
    )


def catalog(settings: Settings) -> Finding:
    """Whether the catalog can be read."""
    read = load_catalog(settings.catalog)
    found = f"{settings.catalog or DEFAULT_PATH}: {len(read.tables)} tables, {len(read.features)} features"
    return Finding(subject="catalog", ok=True, found=found)


def inbox(settings: Settings) -> Finding:
    """Whether the folder that drops arrive in is there."""
    ok = settings.inbox is None or settings.inbox.is_dir()
    return Finding(
        subject="inbox",
        ok=ok,
        found=str(settings.inbox or "none is set"),
        remedy="Create it, or set STREAMFLOW_INBOX.",
    )


def disk(settings: Settings) -> Finding:
    """Room for more, on the file system of the state folder."""
    folder = _nearest(settings.home.absolute())
    free = shutil.disk_usage(folder).free / 1e9
    found = f"{free:.1f} GB free at {folder}"
    return Finding(
        subject="disk",
        ok=free > DISK_GB,
        found=found,
        remedy=f"Free {DISK_GB} GB, or set STREAMFLOW_HOME.",
    )


def _nearest(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def home(settings: Settings) -> Finding:
    """The state folder: ours to write, and nobody else's: who can write there can plant a model or a feature definition."""
    path = settings.home.absolute()
    nearest = _nearest(path)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            subject="home",
            ok=False,
            found=f"{nearest} cannot be written",
            remedy="Set STREAMFLOW_HOME.",
        )
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o700
    found = f"{path} has mode {mode:04o}" if path.exists() else f"{path} is not made yet"
    return Finding(
        subject="home", ok=not mode & 0o022, found=found, remedy=f"Run 'chmod go-w {path}'."
    )


def port(settings: Settings) -> Finding:
    """Whether the API's port is free, or taken by our API, or by something else."""
    host, number = settings.api_host, settings.api_port
    where = f"{number} of {host}"
    if number == 0 or _is_free(host, number):
        return Finding(
            subject="port", ok=True, found=f"{where} is free" if number else "any free one"
        )
    if _is_ours(host, number, load_catalog(settings.catalog).model):
        return Finding(subject="port", ok=True, found=f"{where}: our API answers")
    return Finding(
        subject="port",
        ok=False,
        found=f"{where} is taken by another program",
        remedy="Set STREAMFLOW_API_PORT.",
    )


def _is_free(host: str, number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
    return True


def _is_ours(host: str, number: int, title: str) -> bool:
    try:
        with urllib.request.urlopen(
            f"http://{host}:{number}/openapi.json", timeout=PROBE_S
        ) as answer:  # our own address
            return bool(json.load(answer)["info"]["title"] == title)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def left(_settings: Settings) -> Finding:
    """Servers' folders whose state folder is gone. Only named: a moved state folder may still want its own."""
    found = leftovers()
    names = ", ".join(f"{one.root} of {one.home}" for one in found)
    remedy = (
        f"If their state folders were not moved, delete {' '.join(str(one.root) for one in found)}."
    )
    return Finding(subject="leftovers", ok=not found, found=names or "none", remedy=remedy)
