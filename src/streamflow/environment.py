"""The environment level of a passport: the software and the arithmetic under this process."""

from __future__ import annotations

import base64
import math
import os
import platform
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import numpy as np

from streamflow.packages import DISTRIBUTION

SHOWN_DIGITS = 16  # of a digest in the level
NO_RECORD = "no RECORD"  # in place of a digest: the installer left no list of files
CODE_FILE = re.compile(r"\.(py|pyd|so|dll|dylib)(\.[0-9.]+)?$")


def read_environment_level() -> dict[str, Any]:
    """Return the environment level of a passport.

    It is equal in every process of one virtual environment on one kind of machine.

    Returns:
        distributions: the version of each installed distribution.
        files: distribution -> digest of the code files that its RECORD lists.
        changed_files: file -> digest, for each imported file that is not as its RECORD says.
        blas: the libraries of linear algebra, with the kernel and the threads of a training.
        arithmetic: operation -> digest of what it gives for fixed numbers.
    """
    path = tuple(sys.path)
    return {
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "simd": ", ".join(_simd_extensions()),
        "blas": "; ".join(_describe_blas()),
        "arithmetic": _digest_arithmetic(),
        "distributions": dict(_distribution_versions(path)),
        "files": dict(_record_digests(path)),
        "changed_files": dict(_find_changed_files(path)),
    }


# There are two hundred files to parse, and what is loaded from a path does not change while a
# process runs.
@cache
def _distributions(path: tuple[str, ...]) -> dict[str, Distribution]:
    """Return each distribution by its normalized name.

    If two have the same name, the first on the path counts: it is the one that is imported.
    Our own distribution is left out: it is the code level.
    """
    by_name: dict[str, Distribution] = {}
    for distribution in distributions(path=list(path)):
        name = re.sub(r"[-_.]+", "-", str(distribution.metadata["Name"])).lower()
        by_name.setdefault(name, distribution)
    return {name: by_name[name] for name in sorted(by_name) if name != DISTRIBUTION}


@cache
def _distribution_versions(path: tuple[str, ...]) -> dict[str, str]:
    """Return the version of each distribution, by its normalized name."""
    return {
        name: str(distribution.metadata["Version"])
        for name, distribution in _distributions(path).items()
    }


@cache
def _recorded_files(path: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return distribution -> path of a code file -> its sha256 in the RECORD, as RECORD writes it.

    Scripts are left out: they name the folder of the virtual environment.
    """
    recorded: dict[str, dict[str, str]] = {}
    for name, distribution in _distributions(path).items():
        root = str(distribution.locate_file(""))
        files = recorded[name] = {}
        for line in (distribution.read_text("RECORD") or "").splitlines():
            file, _, digest = line.rpartition(",")[0].rpartition(",")
            if digest and CODE_FILE.search(file) and not file.startswith((".", "/")):
                files[os.path.join(root, file)] = digest  # noqa: PTH118  # thirty thousand names
    return recorded


@cache
def _record_digests(path: tuple[str, ...]) -> dict[str, str]:
    """Return the digest of the code files that the RECORD of each distribution lists."""
    digests = {}
    for name, files in _recorded_files(path).items():
        distribution = _distributions(path)[name]
        root_length = len(str(distribution.locate_file("")))
        lines = sorted(f"{file[root_length:]} {digest}\n" for file, digest in files.items())
        is_listed = distribution.read_text("RECORD") is not None
        text = "".join(lines).encode()
        digests[name] = sha256(text).hexdigest()[:SHOWN_DIGITS] if is_listed else NO_RECORD
    return digests


@cache
def _shared_libraries(path: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Return distribution -> the recorded paths of the shared libraries that it brings."""
    return {
        name: frozenset(file for file in files if ".libs/" in file)
        for name, files in _recorded_files(path).items()
    }


def _find_changed_files(path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each imported code file that is not as its RECORD says, with its digest on the disk.

    Shared libraries that a distribution brings are imported with it.
    """
    imported_files = {
        str(module.__file__)
        for module in list(sys.modules.values())
        if getattr(module, "__file__", None)
    }
    libraries = _shared_libraries(path)
    for name, files in _recorded_files(path).items():
        if imported_files.isdisjoint(files):
            continue
        for file in sorted(libraries[name] | (imported_files & files.keys())):
            state = _file_state(file)
            digest = _digest_on_disk(file, *state) if state else "missing"
            if digest != files[file]:
                root = str(_distributions(path)[name].locate_file(""))
                yield os.path.relpath(file, root), digest


def _file_state(file: str) -> tuple[int, int, int] | None:
    """Return what changes when a file is written: size, and the times of content and of inode.

    None: there is no such file.
    """
    try:
        status = os.stat(file)  # noqa: PTH116  # some thousand files
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


# All imported files together have 500 MB: they are read once in a process, unless one changes.
@cache
def _digest_on_disk(file: str, *_state: int) -> str:
    """Return the sha256 of a file as RECORD writes it."""
    digest = sha256(Path(file).read_bytes()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _simd_extensions() -> list[str]:
    """Return the vector instructions of numpy: different instructions may round differently."""
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return sorted([*extensions["baseline"], *extensions["found"]])


def _describe_blas() -> list[str]:
    """Describe the libraries of linear algebra with the kernel and the threads of a training.

    The environment can choose a different kernel, for example by OPENBLAS_CORETYPE.
    """
    import scipy.linalg  # noqa: F401  # loads scipy's library
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(1):  # as in a training
        libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return sorted(
        f"{library['prefix']} {library['version']}"
        f" {library.get('architecture', 'one kernel')} threads {library['num_threads']}"
        for library in libraries
    )


def _digest_arithmetic() -> dict[str, str]:
    """Return operation -> digest of its results for fixed numbers.

    It names a drift that has no name of its own, such as a different function for exp in the C
    library of the same version.
    """
    from scipy.special import expit
    from threadpoolctl import threadpool_limits

    # Multiples of the golden ratio are spread evenly in [0, 1).
    values = (np.arange(1, 4097) * 0.6180339887498949) % 1.0
    matrix = values.reshape(64, 64)
    with threadpool_limits(1):  # as in a training
        product = matrix @ matrix.T
        solution = np.linalg.solve(matrix + 64 * np.eye(64), matrix)
    return {
        "linear algebra": _digest_values([product, solution]),
        "numpy": _digest_values([np.exp(values), np.log(values), np.tanh(values), values.sum()]),
        "scipy": _digest_values([expit(values * 8 - 4)]),
        "C library": _digest_values([[math.exp(v) for v in values], [math.log(v) for v in values]]),
    }


def _digest_values(arrays: Iterable[Any]) -> str:
    digest = sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=">f8").tobytes())
    return digest.hexdigest()[:SHOWN_DIGITS]
