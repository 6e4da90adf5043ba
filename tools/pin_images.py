"""Pin the base images by digest: `make pin-images` writes the digests into .env.

compose.yaml names each image by a variable with a tag as its default, such as
`${POSTGRES_IMAGE:-postgres:16}`. This asks the registries, through Docker, for the digest that each
tag has now. Compose reads .env by itself, so the next `docker compose up -d --build` takes exactly
these images, whatever the tags name then.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VARIABLE = re.compile(r"\$\{(\w+_IMAGE):-([^}@]+)\}")
ASK = ("docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}")


def list_images(compose: str) -> dict[str, str]:
    """Return the variable of each image in compose.yaml -> the tag that is its default.

    >>> list_images("image: ${POSTGRES_IMAGE:-postgres:16}")
    {'POSTGRES_IMAGE': 'postgres:16'}
    """
    return dict(VARIABLE.findall(compose))


def read_digest(image: str) -> str:
    """Ask the registry of an image for the digest of its tag.

    Raises:
        ValueError: Docker gave something that is not a digest.
        CalledProcessError: Docker or the registry refused.
    """
    done = subprocess.run([*ASK, image], check=True, stdout=subprocess.PIPE, text=True)
    digest = done.stdout.strip()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ValueError(f"{image}: Docker gave {digest!r} in place of a digest")
    return digest


def pin(settings: str, pins: dict[str, str]) -> str:
    r"""Return the text of .env with the lines of the images replaced; new ones come last.

    >>> pin("API_PORT=1\nA_IMAGE=a:1@sha256:old\n", {"A_IMAGE": "a:1@sha256:new"})
    'API_PORT=1\nA_IMAGE=a:1@sha256:new\n'
    """
    lines = [line for line in settings.splitlines() if line.partition("=")[0] not in pins]
    lines += [f"{name}={image}" for name, image in pins.items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the digests into .env, and print them. Return the exit code."""
    images = list_images((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    pins = {name: f"{image}@{read_digest(image)}" for name, image in images.items()}
    file = ROOT / ".env"
    settings = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(pin(settings, pins), encoding="utf-8")
    print("\n".join(f"{name}={image}" for name, image in pins.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
