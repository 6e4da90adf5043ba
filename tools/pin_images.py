"""Renew the digests of the base images: `make pin-images` asks the registries.

compose.yaml names each image by a variable whose default has a tag and a digest, such as
`${POSTGRES_IMAGE:-postgres:16.15@sha256:…}`. The Dockerfile and .env.example repeat these defaults.
This asks the registries, through Docker, for the digest that each tag has now, and writes it into
the three files. For a new release of an image, write its tag into compose.yaml first.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = ("compose.yaml", "Dockerfile", ".env.example")
VARIABLE = re.compile(r"\$\{(\w+_IMAGE):-([^}@]+)(?:@[^}]*)?\}")
ASK = ("docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}")


def list_images(compose: str) -> dict[str, str]:
    """Return the variable of each image in compose.yaml -> its name and tag, without a digest.

    >>> list_images("image: ${POSTGRES_IMAGE:-postgres:16.15@sha256:0a1b}")
    {'POSTGRES_IMAGE': 'postgres:16.15'}
    """
    return dict(VARIABLE.findall(compose))


def read_digest(image: str) -> str:
    """Ask the registry of an image for the digest of its tag: of the index of all platforms.

    Raises:
        ValueError: Docker gave something that is not a digest.
        CalledProcessError: Docker or the registry refused.
    """
    done = subprocess.run([*ASK, image], check=True, stdout=subprocess.PIPE, text=True)
    digest = done.stdout.strip()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ValueError(f"{image}: Docker gave {digest!r} in place of a digest")
    return digest


def pin(text: str, pins: dict[str, str]) -> str:
    """Return the text of a file with a new default of each variable.

    >>> pin("image: ${A_IMAGE:-a:1@sha256:old}", {"A_IMAGE": "a:1@sha256:new"})
    'image: ${A_IMAGE:-a:1@sha256:new}'
    >>> pin("#A_IMAGE=a:1", {"A_IMAGE": "a:1@sha256:new"})
    '#A_IMAGE=a:1@sha256:new'
    """
    for name, image in pins.items():
        text = re.sub(rf"(\b{name}(?::-|=))[^\s}}]+", rf"\g<1>{image}", text)
    return text


def main() -> int:
    """Write the digests into the files, and print them. Return the exit code."""
    images = list_images((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    pins = {name: f"{image}@{read_digest(image)}" for name, image in images.items()}
    for file in FILES:
        path = ROOT / file
        path.write_text(pin(path.read_text(encoding="utf-8"), pins), encoding="utf-8")
    print("\n".join(f"{name}={image}" for name, image in pins.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
