"""Read the page docs/how-to/compose.md, command by command, in the running stack of compose.yaml.

`make compose-prove` runs this file after test_stack.py. The page begins with an empty stack. The
ports of the page are replaced by those of this stack. docs/how-to/feast-objects.md shows how to put
files into the image.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.console import Command, agrees, comparable, describe_difference, read_blocks
from test_code_blocks import read_code

# Before the environment is cleaned of settings: it names ports and project.
ENVIRONMENT = dict(os.environ)
ROOT = Path(__file__).parents[2]
PAGE = "docs/how-to/compose.md"
FEAST_OBJECTS = "docs/how-to/feast-objects.md"
MARK = "tests/compose/test_walkthrough.py"
PATIENCE_S = 180
BLOCKS = [
    block
    for block in read_blocks((ROOT / PAGE).read_text(encoding="utf-8"))
    if block.run_by == MARK
]
UP, MONTH, BACKUP, RESTORE = range(4)
VOLUMES = ("postgres", "artifacts", "state")  # the backup lies in the volume `data`


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("compose")
    yield path
    shell(path, "docker image rm --force streamflow:own-test")


def shell(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    text = text.replace("localhost:8000", f"localhost:{ENVIRONMENT.get('API_PORT')}")
    return subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def read(folder: Path, number: int) -> None:
    for command in BLOCKS[number].commands:
        end = time.monotonic() + (PATIENCE_S if command.text.startswith("curl") else 0)
        difference = "not run"
        while difference:
            difference = try_once(folder, command)
            assert not difference or time.monotonic() < end, difference
            if difference:
                time.sleep(1)


def try_once(folder: Path, command: Command) -> str:
    """Run a command, and return what differs from the page. An API may need seconds to change."""
    done = shell(folder, command.text)
    if done.returncode or '"error"' in done.stdout:
        return f"{PAGE}:{command.line_number}: {command.text}\n{done.stdout}{done.stderr}"
    printed = comparable(done.stdout.splitlines())
    if not command.shown or agrees(comparable(command.shown), printed):
        return ""
    return describe_difference(PAGE, command, printed)


def remove_volumes(folder: Path, *volumes: str) -> None:
    project = ENVIRONMENT["COMPOSE_PROJECT_NAME"]
    names = " ".join(f"{project}_{volume}" for volume in volumes)
    done = shell(folder, f"docker compose down && docker volume rm {names}")
    assert done.returncode == 0, done.stderr


def test_the_stack_comes_up_from_nothing(folder: Path) -> None:
    remove_volumes(folder, *VOLUMES)
    read(folder, UP)


def test_a_month_is_loaded_trained_and_served(folder: Path) -> None:
    read(folder, MONTH)


def test_files_of_features_are_put_into_an_image(folder: Path) -> None:
    """The page is feast-objects.md. The image has the tag of this stack."""
    (block,) = [
        block for block in read_code(ROOT / FEAST_OBJECTS) if block.language == "dockerfile"
    ]
    context = folder / "image"
    (context / "features").mkdir(parents=True)
    shutil.copy(ROOT / "LICENSE", context / "features" / "desk.py")
    tag = ENVIRONMENT["IMAGE_TAG"]
    text = block.code.replace("streamflow:local", f"streamflow:{tag}")
    assert text != block.code
    (context / "Dockerfile").write_text(text, encoding="utf-8")
    built = shell(folder, "docker build -t streamflow:own-test image")
    assert built.returncode == 0, built.stderr
    command = "cat /features/desk.py; echo $STREAMFLOW_FEATURE_FILES"
    ran = shell(folder, f"docker run --rm --entrypoint sh streamflow:own-test -c '{command}'")
    assert ran.stdout == (ROOT / "LICENSE").read_text(encoding="utf-8") + "/features\n", ran.stderr


def test_a_backup_comes_out_of_the_stack_and_is_restored_into_an_empty_one(folder: Path) -> None:
    read(folder, BACKUP)
    assert (folder / "churn.backup").stat().st_size > 0
    remove_volumes(folder, *VOLUMES)
    read(folder, RESTORE)
    user = BLOCKS[MONTH].commands[-1]
    end = time.monotonic() + PATIENCE_S
    while difference := try_once(folder, user):
        assert time.monotonic() < end, difference
        time.sleep(1)
