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


def test_each_image_is_a_variable_that_can_have_a_digest() -> None:
    tool = runpy.run_path(str(ROOT / "tools/pin_images.py"))
    images = tool["list_images"]((ROOT / "compose.yaml").read_text())
    named = {service["image"] for service in read_services().values()}
    assert named == {
        "streamflow:${IMAGE_TAG:-local}",
        *(f"${{{name}:-{tag}}}" for name, tag in images.items() if name != "PYTHON_IMAGE"),
    }
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.startswith("# ")
    assert re.findall(r"^(?:ARG|FROM) (.*)$", dockerfile, flags=re.MULTILINE) == [
        f"PYTHON_IMAGE={images['PYTHON_IMAGE']}",
        "${PYTHON_IMAGE} AS build",
        "${PYTHON_IMAGE}",
    ]
    examples = (ROOT / ".env.example").read_text().splitlines()
    assert {f"#{name}={tag}" for name, tag in images.items()} <= set(examples)


def test_digests_take_the_place_of_those_in_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a program in the place of Docker."""
    digest = "sha256:" + 64 * "a"
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho {digest}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    tool = runpy.run_path(str(ROOT / "tools/pin_images.py"))
    pins = {"A_IMAGE": f"a:1@{tool['read_digest']('a:1')}"}
    before = "#A_IMAGE=a:1\nA_IMAGE=a:1@sha256:old\nAPI_PORT=1\n"
    expected = f"#A_IMAGE=a:1\nAPI_PORT=1\nA_IMAGE=a:1@{digest}\n"
    assert tool["pin"](before, pins) == expected
    assert tool["pin"](expected, pins) == expected
    docker.write_text("#!/bin/sh\necho latest\n")
    with pytest.raises(ValueError, match="in place of a digest"):
        tool["read_digest"]("a:1")
