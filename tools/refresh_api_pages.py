"""Copy the scripts of the API's pages from their packages on npm: `make api-pages`.

The packages are pinned: by version, and by the SHA-256 of the archive. For a newer version, change
the version and run this. It stops and prints the digest of the new archive. Look at what changed,
enter the digest, and run it again.
SHA256SUMS lists the copied files. A test compares them.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

FOLDER = Path(__file__).parent.parent / "src" / "streamflow" / "api" / "page_files"


class Package(NamedTuple):
    """A pinned package, and which of its files are copied under which name."""

    name: str
    archive_sha256: str
    files: dict[str, str]


PACKAGES = (
    Package(
        name="swagger-ui-dist@5.35.0",
        archive_sha256="1b8e891893404ea4c3558b6a87e2a3e494e7eedba41168c2ece5800a391a6ea6",
        files={
            "swagger-ui-bundle.js": "swagger-ui-bundle.js",
            "swagger-ui.css": "swagger-ui.css",
            "favicon-32x32.png": "favicon-32x32.png",
            "LICENSE": "swagger-ui.LICENSE",
            "NOTICE": "swagger-ui.NOTICE",
            "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
        },
    ),
    Package(
        name="redoc@2.5.4",
        archive_sha256="44922df4d0eb45c1b066c09ec251e6bd9bd7ded16bc69e87613337b9d911a56e",
        files={
            "bundles/redoc.standalone.js": "redoc.standalone.js",
            "LICENSE": "redoc.LICENSE",
            "bundles/redoc.standalone.js.LICENSE.txt": "redoc.standalone.js.LICENSE.txt",
        },
    ),
)


def read_files(package: Package) -> dict[str, bytes]:
    """Download a package with npm, check its digest, and return its files by their new names."""
    with TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", package.name]
        subprocess.run(command, cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        digest = sha256(archive.read_bytes()).hexdigest()
        if digest != package.archive_sha256:
            sys.exit(f"{package.name}: expected SHA-256 {package.archive_sha256}, got {digest}")
        with tarfile.open(archive) as members:
            return {
                target: _read_member(members, f"package/{source}")
                for source, target in package.files.items()
            }


def _read_member(members: tarfile.TarFile, name: str) -> bytes:
    file = members.extractfile(name)
    if file is None:
        sys.exit(f"{name} is not a file of the archive")
    return file.read()


def main() -> None:
    """Copy all files, and write their digests."""
    FOLDER.mkdir(exist_ok=True)
    lines = []
    for package in PACKAGES:
        for name, content in read_files(package).items():
            (FOLDER / name).write_bytes(content)
            lines.append(f"{sha256(content).hexdigest()}  {name}\n")
    (FOLDER / "SHA256SUMS").write_text("".join(sorted(lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
