"""The list of the third-party software that the wheel contains: `make sbom` writes it.

The list is a CycloneDX document (SBOM). The wheel carries it in `.dist-info/sboms/`, as PEP 770
says. It has no time and no random number, so the same sources give the same bytes.
The packages that pip installs beside the wheel are not in it: they are not in the wheel.
"""

from __future__ import annotations

import json
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

from refresh_api_pages import FOLDER, PACKAGES, Package

ROOT = Path(__file__).parent.parent
SBOM = ROOT / "sbom" / "streamflow-churn.cdx.json"
# What the packages of npm say about themselves, as SPDX writes it.
LICENSES = {"swagger-ui-dist": "Apache-2.0", "redoc": "MIT"}


def build_sbom(version: str) -> dict[str, Any]:
    """Return the document: this package of a version, the scripts in it, and their files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = _describe_component("pypi", project["name"], version, project["license"])
    components = [_describe_package(package) for package in PACKAGES]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**own, "type": "application"}},
        "components": components,
        "dependencies": [
            {"ref": own["bom-ref"], "dependsOn": [part["bom-ref"] for part in components]},
        ],
    }


def _describe_package(package: Package) -> dict[str, Any]:
    """Describe a package of npm: its archive, and the files that are copied from it."""
    name, _, version = package.name.rpartition("@")
    files = [_describe_file(file) for file in sorted(package.files.values())]
    return {
        **_describe_component("npm", name, version, LICENSES[name]),
        "hashes": [{"alg": "SHA-256", "content": package.archive_sha256}],
        "components": files,
    }


def _describe_component(registry: str, name: str, version: str, spdx: str) -> dict[str, Any]:
    address = f"pkg:{registry}/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": spdx}}],
        "purl": address,
    }


def _describe_file(name: str) -> dict[str, Any]:
    """Describe a file by its path in the wheel and its digest."""
    path = FOLDER / name
    return {
        "type": "file",
        "name": path.relative_to(ROOT / "src").as_posix(),
        "hashes": [{"alg": "SHA-256", "content": sha256(path.read_bytes()).hexdigest()}],
    }


def format_sbom(version: str) -> str:
    """Return the document as text."""
    return json.dumps(build_sbom(version), indent=2) + "\n"
