"""The services of compose.yaml, without Docker."""

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import streamflow

ROOT = Path(__file__).parents[2]


def read_services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def test_each_service_of_ours_has_its_check() -> None:
    checks = runpy.run_path(str(ROOT / "deploy/docker/healthcheck.py"))["CHECKS"]
    names = set()
    for name, service in read_services().items():
        command = service.get("healthcheck", {}).get("test", [])
        if any("healthcheck.py" in part for part in command):
            assert command[-1] == name
            names.add(name)
    assert names == set(checks)


def test_the_console_asks_for_a_key_and_is_published_on_this_machine() -> None:
    console = read_services()["console"]
    assert console["environment"]["STREAMFLOW_API_AUTH"] == "on"
    assert console["ports"] == ["${BIND:-127.0.0.1}:${CONSOLE_PORT:-8400}:8400"]
    assert "8400" in console["command"]


def test_each_service_has_a_limit_of_memory_and_of_processors() -> None:
    limits = {name: {"mem_limit", "cpus"} & set(it) for name, it in read_services().items()}
    assert set(map(frozenset, limits.values())) == {frozenset({"mem_limit", "cpus"})}, limits


def test_the_image_says_what_it_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dockerfile = (ROOT / "Dockerfile").read_text()
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', dockerfile))
    assert labels["version"] == streamflow.__version__
    assert labels["licenses"] == project["license"]


PINNED = re.compile(r"[a-z][a-z0-9./-]*:v?\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}")


def read_defaults() -> dict[str, str]:
    """Return the variable of each base image -> its default in compose.yaml."""
    text = (ROOT / "compose.yaml").read_text()
    return dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", text))


def test_each_image_has_an_exact_tag_and_a_digest() -> None:
    defaults = read_defaults()
    assert [name for name, image in defaults.items() if not PINNED.fullmatch(image)] == []
    services = {service["image"] for service in read_services().values()}
    assert services == {
        "streamflow:${IMAGE_TAG:-local}",
        *(f"${{{name}:-{image}}}" for name, image in defaults.items() if name != "PYTHON_IMAGE"),
    }
    templates = ROOT / "deploy/helm/streamflow/templates"
    texts = [path.read_text() for path in templates.iterdir()]
    images = [image for text in texts for image in re.findall(r"^ +image: (.*)$", text, re.M)]
    assert set(images) == {'{{ include "streamflow.image" .root | quote }}'}


@pytest.mark.parametrize(
    "image", ["postgres:16", "postgres:16.15", f"postgres@sha256:{64 * 'a'}", "a:1.2@sha256:aa"]
)
def test_an_image_without_an_exact_tag_or_a_digest_is_refused(image: str) -> None:
    assert not PINNED.fullmatch(image)


def test_the_files_that_repeat_an_image_have_the_one_of_compose() -> None:
    defaults = read_defaults()
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^(?:ARG|FROM) (.*)$", dockerfile, flags=re.MULTILINE) == [
        f"PYTHON_IMAGE={defaults['PYTHON_IMAGE']}",
        "${PYTHON_IMAGE} AS build",
        "${PYTHON_IMAGE}",
    ]
    examples = (ROOT / ".env.example").read_text().splitlines()
    assert {f"#{name}={image}" for name, image in defaults.items()} <= set(examples)


def test_new_digests_are_written_into_all_three_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a program in the place of Docker."""
    digest = "sha256:" + 64 * "a"
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho {digest}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    tool = runpy.run_path(str(ROOT / "tools/pin_images.py"))
    texts = {}
    for file in tool["FILES"]:
        texts[file] = (ROOT / file).read_text()
        (tmp_path / file).write_text(texts[file])
    tool["main"].__globals__["ROOT"] = tmp_path
    assert tool["main"]() == 0
    old_digest = re.compile("sha256:[0-9a-f]{64}")
    for file, text in texts.items():
        assert (tmp_path / file).read_text() == old_digest.sub(digest, text)
        assert digest in (tmp_path / file).read_text()


def test_an_answer_that_is_no_digest_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho latest\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    tool = runpy.run_path(str(ROOT / "tools/pin_images.py"))
    with pytest.raises(ValueError, match="in place of a digest"):
        tool["read_digest"]("a:1")
